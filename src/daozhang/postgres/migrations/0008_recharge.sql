-- Recharge: orders, attempts and refunds with their moves, the raw notifications, once-only facts, and anomalies.

-- Legal moves are rows, and each move log is judged by them at the end of a statement (a foreign key would lock the same few rows for
-- every move of everybody). recharge/states.py holds the same rows, a test compares.
create table order_states (
  state text primary key,
  money text not null check (money in ('none', 'checking', 'received', 'credited', 'returning', 'returned')),
  terminal boolean not null
);
create table legal_order_moves (
  from_state text not null references order_states,
  move text not null,
  to_state text not null references order_states,
  primary key (from_state, move),
  unique (from_state, move, to_state)
);
create table attempt_states (state text primary key, terminal boolean not null);
create table legal_attempt_moves (
  from_state text not null references attempt_states,
  move text not null,
  to_state text not null references attempt_states,
  primary key (from_state, move),
  unique (from_state, move, to_state)
);
create table refund_states (state text primary key, terminal boolean not null);
create table legal_refund_moves (
  from_state text not null references refund_states,
  move text not null,
  to_state text not null references refund_states,
  primary key (from_state, move),
  unique (from_state, move, to_state)
);

insert into order_states (state, money, terminal) values
  ('created', 'none', false), ('challenged', 'none', false), ('reviewing', 'none', false), ('refused', 'none', true),
  ('abandoned', 'none', true), ('awaiting_payment', 'none', false), ('closing', 'checking', false), ('failed', 'none', true),
  ('expired', 'none', true), ('cancelled', 'none', true), ('paid', 'received', false), ('credited', 'credited', true),
  ('held', 'received', false), ('misfit', 'received', false), ('refunding', 'returning', false), ('refunded', 'returned', true),
  ('frozen_by_order', 'received', false);

insert into legal_order_moves (from_state, move, to_state) values
  ('created', 'challenged', 'challenged'), ('challenged', 'passed', 'created'),
  ('created', 'asked', 'reviewing'), ('reviewing', 'approved', 'created'),
  ('created', 'refused', 'refused'), ('challenged', 'refused', 'refused'), ('reviewing', 'refused', 'refused'),
  ('created', 'abandoned', 'abandoned'), ('challenged', 'abandoned', 'abandoned'), ('reviewing', 'abandoned', 'abandoned'),
  ('created', 'submitted', 'awaiting_payment'), ('created', 'declined', 'failed'),
  ('awaiting_payment', 'declined', 'failed'), ('awaiting_payment', 'expired', 'expired'), ('created', 'expired', 'expired'),
  ('awaiting_payment', 'cancel_asked', 'closing'), ('created', 'cancel_asked', 'closing'), ('closing', 'closed', 'cancelled'),
  ('failed', 'retried', 'created'), ('expired', 'retried', 'created'), ('cancelled', 'retried', 'created'),
  ('awaiting_payment', 'retried', 'created'),
  ('created', 'paid', 'paid'), ('awaiting_payment', 'paid', 'paid'), ('closing', 'paid', 'paid'), ('failed', 'paid', 'paid'),
  ('expired', 'paid', 'paid'), ('cancelled', 'paid', 'paid'), ('abandoned', 'paid', 'paid'), ('refused', 'paid', 'paid'),
  ('challenged', 'paid', 'paid'), ('reviewing', 'paid', 'paid'),
  ('paid', 'credited', 'credited'), ('paid', 'held', 'held'), ('paid', 'misfit', 'misfit'),
  ('misfit', 'kept', 'credited'), ('misfit', 'rejected', 'refunding'),
  ('held', 'released', 'credited'), ('held', 'rejected', 'refunding'), ('refunding', 'refunded', 'refunded'), ('refunding', 'bounced', 'held'),
  ('refunding', 'unfit', 'misfit'),
  ('held', 'ordered', 'frozen_by_order'), ('frozen_by_order', 'lifted', 'held');

insert into attempt_states (state, terminal) values
  ('prepared', false), ('open', false), ('unknown', false), ('closing', false), ('paid', true), ('closed', true);
insert into legal_attempt_moves (from_state, move, to_state) values
  ('prepared', 'opened', 'open'), ('prepared', 'doubted', 'unknown'), ('prepared', 'closed', 'closed'),
  ('unknown', 'opened', 'open'), ('unknown', 'closing', 'closing'), ('unknown', 'closed', 'closed'),
  ('prepared', 'closing', 'closing'), ('open', 'closing', 'closing'), ('open', 'closed', 'closed'), ('closing', 'closed', 'closed'),
  ('prepared', 'paid', 'paid'), ('unknown', 'paid', 'paid'), ('open', 'paid', 'paid'), ('closing', 'paid', 'paid'),
  ('closed', 'paid', 'paid');

insert into refund_states (state, terminal) values ('reserved', false), ('sent', false), ('done', true), ('failed', true);
insert into legal_refund_moves (from_state, move, to_state) values
  ('reserved', 'sent', 'sent'), ('reserved', 'done', 'done'), ('reserved', 'failed', 'failed'),
  ('sent', 'done', 'done'), ('sent', 'failed', 'failed'), ('failed', 'done', 'done');

create table orders (
  id uuid primary key,
  shop_id bigint not null,
  user_id bigint not null,
  purpose text not null check (purpose in ('wallet', 'purchase')),
  state text not null,
  version integer not null,
  amount_fen bigint not null check (amount_fen between 1 and 9999999999),
  refunded_fen bigint not null default 0 check (refunded_fen >= 0),
  currency text not null check (currency = 'CNY'),
  channel_id bigint not null,
  method text not null,
  reason text,
  reason_facts jsonb,
  page_version text not null,
  client_ip text not null,
  locale text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  moved_at timestamptz not null,
  credited_at timestamptz
) partition by range (id);
create index on orders (user_id, id);

create table order_moves (
  order_id uuid not null,
  version integer not null,
  from_state text not null,
  move text not null,
  to_state text not null,
  actor text not null,
  reason text not null,
  at timestamptz not null,
  primary key (order_id, version)
) partition by range (order_id);

create table attempts (
  id uuid primary key,
  order_id uuid not null,
  shop_id bigint not null,
  user_id bigint not null,
  channel_id bigint not null,
  kind text not null,
  method text not null,
  merchant text not null,
  app text not null,
  state text not null,
  version integer not null,
  amount_fen bigint not null,
  currency text not null,
  queries integer not null default 0,
  next_query_at timestamptz,
  action text,
  payload jsonb,
  client_ip text not null,
  payer_openid bytea,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  moved_at timestamptz not null,
  channel_txn text,
  payer bytea,
  paid_fen bigint,
  native_code text not null default '',
  reason text
) partition by range (id);
create index on attempts (order_id);
create index attempts_due on attempts (next_query_at) where next_query_at is not null;

create table attempt_moves (
  attempt_id uuid not null,
  version integer not null,
  from_state text not null,
  move text not null,
  to_state text not null,
  actor text not null,
  reason text not null,
  at timestamptz not null,
  primary key (attempt_id, version)
) partition by range (attempt_id);

create table refunds (
  id uuid primary key,
  shop_id bigint not null references shops,
  order_id uuid,
  attempt_id uuid not null,
  channel_id bigint not null,
  hold_id uuid references holds,
  origin text not null check (origin in ('cash', 'review', 'suspense')),
  state text not null,
  version integer not null,
  amount_fen bigint not null check (amount_fen > 0),
  total_fen bigint not null check (total_fen >= amount_fen),
  why text not null check (length(why) between 1 and 80),
  actor text not null,
  queries integer not null default 0,
  next_query_at timestamptz,
  created_at timestamptz not null,
  moved_at timestamptz not null,
  channel_txn text,
  native_code text not null default '',
  reason text
);
create index on refunds (order_id);
create index on refunds (attempt_id);
create index refunds_due on refunds (next_query_at) where next_query_at is not null;

create table refund_moves (
  refund_id uuid not null references refunds,
  version integer not null,
  from_state text not null,
  move text not null,
  to_state text not null,
  actor text not null,
  reason text not null,
  at timestamptz not null,
  primary key (refund_id, version),
  foreign key (from_state, move, to_state) references legal_refund_moves (from_state, move, to_state)
);

-- A raw message at a channel's door, stored before or with what it causes. `settled`: in the commit that settled it; `stored`: valid,
-- to be settled by us; `invalid`: refused, with why.
create table notifications (
  id uuid primary key,
  shop_id bigint not null,
  channel_id bigint not null,
  state text not null check (state in ('settled', 'stored', 'invalid')),
  why text not null,
  headers json not null,
  body bytea not null check (length(body) <= 65536),
  report json,
  tries smallint not null default 0,
  next_try_at timestamptz,
  at timestamptz not null,
  check ((state = 'stored') <= (report is not null))
) partition by range (id);
create index notifications_due on notifications (next_try_at) where next_try_at is not null;
create index notifications_invalid on notifications (channel_id, id) where state = 'invalid';

-- Once-only facts stand in narrow tables that time does not cut.
create table notification_keys (
  channel_id bigint not null,
  key text not null check (length(key) between 1 and 128),
  notification_id uuid not null,
  seen integer not null default 1,
  primary key (channel_id, key)
);
create table fact_keys (
  channel_id bigint not null,
  channel_txn text not null check (length(channel_txn) between 1 and 64),
  attempt_id uuid,
  primary key (channel_id, channel_txn)
);
create table idempotency_keys (
  shop_id bigint not null,
  user_id bigint not null,
  key text not null check (length(key) between 8 and 64),
  request_hash bytea not null,
  order_id uuid not null,
  seen integer not null default 1,
  created_at timestamptz not null,
  primary key (shop_id, user_id, key)
);

create table anomalies (
  id uuid primary key,
  shop_id bigint not null references shops,
  kind text not null check (kind in ('late', 'amount', 'twice', 'unknown_order', 'undelivered', 'unresolved', 'spent')),
  order_id uuid,
  attempt_id uuid,
  channel_id bigint not null,
  amount_fen bigint,
  facts jsonb not null,
  at timestamptz not null,
  resolved_at timestamptz,
  resolution text
);
create index on anomalies (order_id);
create index anomalies_open on anomalies (at) where resolved_at is null;

-- A move that no row allows is refused.
create function judge_order_moves() returns trigger
language plpgsql set search_path = public, pg_temp as $$
declare
  v_culprit text;
begin
  select n.from_state || ' -' || n.move || '-> ' || n.to_state into v_culprit
  from (select distinct from_state, move, to_state from new_moves) n
  where not exists (
    select from legal_order_moves l where l.from_state = n.from_state and l.move = n.move and l.to_state = n.to_state
  ) limit 1;
  if found then
    raise exception 'no order moves %', v_culprit using errcode = 'foreign_key_violation', constraint = 'legal_order_moves';
  end if;
  return null;
end $$;

create function judge_attempt_moves() returns trigger
language plpgsql set search_path = public, pg_temp as $$
declare
  v_culprit text;
begin
  select n.from_state || ' -' || n.move || '-> ' || n.to_state into v_culprit
  from (select distinct from_state, move, to_state from new_moves) n
  where not exists (
    select from legal_attempt_moves l where l.from_state = n.from_state and l.move = n.move and l.to_state = n.to_state
  ) limit 1;
  if found then
    raise exception 'no attempt moves %', v_culprit using errcode = 'foreign_key_violation', constraint = 'legal_attempt_moves';
  end if;
  return null;
end $$;

create trigger order_moves_judged after insert on order_moves referencing new table as new_moves
  for each statement execute function judge_order_moves();
create trigger attempt_moves_judged after insert on attempt_moves referencing new table as new_moves
  for each statement execute function judge_attempt_moves();
create trigger legal_order_moves_unchanged before update or delete on legal_order_moves for each row execute function refuse_change();
create trigger legal_attempt_moves_unchanged before update or delete on legal_attempt_moves for each row execute function refuse_change();

-- Rows that change stay on their page.
select partition_by_month('orders', false, '{}', 'id', 'fillfactor = 70'),
  partition_by_month('attempts', false, '{}', 'id', 'fillfactor = 70'), partition_by_month('notifications', false);
select partition_by_month('order_moves', true, array[
    'create trigger judged after insert on %1$I referencing new table as new_moves for each statement execute function judge_order_moves()'],
    'order_id'),
  partition_by_month('attempt_moves', true, array[
    'create trigger judged after insert on %1$I referencing new table as new_moves for each statement execute function judge_attempt_moves()'],
    'attempt_id');
create trigger fact_keys_unchanged before update or delete on fact_keys for each row execute function refuse_change();
create trigger fact_keys_kept before truncate on fact_keys execute function refuse_change();
create trigger refund_moves_unchanged before update or delete on refund_moves for each row execute function refuse_change();
create trigger refund_moves_kept before truncate on refund_moves execute function refuse_change();

-- Orders and attempts are born in their first state and nowhere else.
create function create_orders(
  p_shop bigint, p_at timestamptz, p_ids uuid[], p_users bigint[], p_amounts bigint[], p_channels bigint[], p_methods text[],
  p_pages text[], p_ips text[], p_locales text[], p_expires timestamptz[]
) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into orders (id, shop_id, user_id, purpose, state, version, amount_fen, currency, channel_id, method, page_version, client_ip,
    locale, created_at, expires_at, moved_at)
  select u.id, p_shop, u.user_id, 'wallet', 'created', 0, u.amount_fen, 'CNY', u.channel_id, u.method, u.page, u.ip, u.locale, p_at,
    u.expires_at, p_at
  from unnest(p_ids, p_users, p_amounts, p_channels, p_methods, p_pages, p_ips, p_locales, p_expires)
    as u (id, user_id, amount_fen, channel_id, method, page, ip, locale, expires_at);
end $$;

create function create_attempts(
  p_shop bigint, p_at timestamptz, p_ids uuid[], p_orders uuid[], p_users bigint[], p_channels bigint[], p_kinds text[], p_methods text[],
  p_merchants text[], p_apps text[], p_amounts bigint[], p_ips text[], p_openids bytea[], p_expires timestamptz[], p_due timestamptz[]
) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into attempts (id, order_id, shop_id, user_id, channel_id, kind, method, merchant, app, state, version, amount_fen, currency,
    client_ip, payer_openid, created_at, expires_at, moved_at, next_query_at)
  select u.id, u.order_id, p_shop, u.user_id, u.channel_id, u.kind, u.method, u.merchant, u.app, 'prepared', 0, u.amount_fen, 'CNY',
    u.ip, u.openid, p_at, u.expires_at, p_at, u.due_at
  from unnest(p_ids, p_orders, p_users, p_channels, p_kinds, p_methods, p_merchants, p_apps, p_amounts, p_ips, p_openids, p_expires, p_due)
    as u (id, order_id, user_id, channel_id, kind, method, merchant, app, amount_fen, ip, openid, expires_at, due_at);
end $$;

-- Move orders: each row names the version and state it leaves, so a stale move touches nothing; the log's judge refuses an illegal
-- one. `then` is a second step at once (paid, then credited), null for none. Answers the orders that moved.
create function move_orders(
  p_at timestamptz, p_actor text, p_ids uuid[], p_versions integer[], p_from text[], p_moves text[], p_to text[], p_reasons text[],
  p_then_moves text[], p_then_to text[], p_then_reasons text[]
) returns setof uuid
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  return query
  with moved as (
    update orders o set state = coalesce(s.then_to, s.to_state), version = s.version + (s.then_to is not null)::integer, moved_at = p_at,
      credited_at = case when coalesce(s.then_to, s.to_state) = 'credited' then p_at else o.credited_at end
    from unnest(p_ids, p_versions, p_from, p_moves, p_to, p_reasons, p_then_moves, p_then_to, p_then_reasons)
      as s (id, version, from_state, move, to_state, reason, then_move, then_to, then_reason)
    where o.id = s.id and o.version = s.version - 1 and o.state = s.from_state
    returning s.*
  ), logged as (
    insert into order_moves (order_id, version, from_state, move, to_state, actor, reason, at)
    select id, version, from_state, move, to_state, p_actor, reason, p_at from moved
    union all
    select id, version + 1, to_state, then_move, then_to, p_actor, then_reason, p_at from moved where then_to is not null
  )
  select id from moved;
end $$;

create function move_attempts(
  p_at timestamptz, p_actor text, p_ids uuid[], p_versions integer[], p_from text[], p_moves text[], p_to text[], p_reasons text[],
  p_due timestamptz[]
) returns setof uuid
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  return query
  with moved as (
    update attempts a set state = s.to_state, version = s.version, moved_at = p_at, next_query_at = s.due_at
    from unnest(p_ids, p_versions, p_from, p_moves, p_to, p_reasons, p_due)
      as s (id, version, from_state, move, to_state, reason, due_at)
    where a.id = s.id and a.version = s.version - 1 and a.state = s.from_state
    returning s.*
  ), logged as (
    insert into attempt_moves (attempt_id, version, from_state, move, to_state, actor, reason, at)
    select id, version, from_state, move, to_state, p_actor, reason, p_at from moved
  )
  select id from moved;
end $$;

-- What a payment told us stays with its attempt; written once, with the move `paid`.
create function pay_attempts(
  p_at timestamptz, p_actor text, p_ids uuid[], p_versions integer[], p_from text[], p_txns text[], p_payers bytea[], p_amounts bigint[]
) returns setof uuid
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  return query
  with moved as (
    update attempts a set state = 'paid', version = s.version, moved_at = p_at, next_query_at = null,
      channel_txn = s.txn, payer = s.payer, paid_fen = s.paid_fen, reason = null
    from unnest(p_ids, p_versions, p_from, p_txns, p_payers, p_amounts) as s (id, version, from_state, txn, payer, paid_fen)
    where a.id = s.id and a.version = s.version - 1 and a.state = s.from_state
    returning s.id, s.version, s.from_state
  ), logged as (
    insert into attempt_moves (attempt_id, version, from_state, move, to_state, actor, reason, at)
    select id, version, from_state, 'paid', 'paid', p_actor, '', p_at from moved
  )
  select id from moved;
end $$;

create function create_refund(
  p_shop bigint, p_at timestamptz, p_id uuid, p_order uuid, p_attempt uuid, p_channel bigint, p_hold uuid, p_origin text,
  p_amount bigint, p_total bigint, p_why text, p_actor text, p_due timestamptz
) returns void
language sql security definer set search_path = public, pg_temp as $$
  insert into refunds (id, shop_id, order_id, attempt_id, channel_id, hold_id, origin, state, version, amount_fen, total_fen, why, actor,
    next_query_at, created_at, moved_at)
  values (p_id, p_shop, p_order, p_attempt, p_channel, p_hold, p_origin, 'reserved', 0, p_amount, p_total, p_why, p_actor, p_due, p_at, p_at)
$$;

create function move_refund(
  p_at timestamptz, p_actor text, p_id uuid, p_from text, p_move text, p_to text, p_due timestamptz, p_txn text, p_native text, p_reason text
) returns setof refunds
language sql security definer set search_path = public, pg_temp as $$
  with moved as (
    update refunds r set state = p_to, version = r.version + 1, moved_at = p_at, next_query_at = p_due,
      channel_txn = coalesce(p_txn, r.channel_txn), native_code = coalesce(p_native, r.native_code), reason = p_reason
    where r.id = p_id and r.state = p_from
    returning r.*
  ), logged as (
    insert into refund_moves (refund_id, version, from_state, move, to_state, actor, reason, at)
    select m.id, m.version, p_from, p_move, p_to, p_actor, coalesce(p_reason, ''), p_at from moved m
  )
  select * from moved
$$;

-- Money that is on its way back or gone counts against the order at once; a refund that failed gives the room back. What may go back is
-- bounded by what was paid, which may be more or less than the order asked for.
create function count_refund(p_order uuid, p_delta_fen bigint) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_refunded_fen bigint;
begin
  update orders o set refunded_fen = o.refunded_fen + p_delta_fen
  where o.id = p_order and o.refunded_fen + p_delta_fen <= (
    select coalesce(max(a.paid_fen), 0) from attempts a where a.order_id = o.id and a.id >= o.id and a.state = 'paid'
  )
  returning o.refunded_fen into v_refunded_fen;
  if not found then
    raise exception 'order % would return more than was paid', p_order using errcode = 'check_violation', constraint = 'orders_refunded';
  end if;
  return v_refunded_fen;
end $$;

-- Take the locks of a settlement in the house's order (users, orders, attempts), each sorted by id, then read. Every step is a statement
-- of its own: a statement that locks and reads in one uses the snapshot from before its wait.
create function lock_for_settlement(p_attempts uuid[]) returns void
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  v_users bigint[];
  v_orders uuid[];
begin
  select array_agg(distinct a.user_id), array_agg(distinct a.order_id) into v_users, v_orders
  from unnest(p_attempts) as u (id) join attempts a on a.id = u.id;
  perform from unnest(v_users) as w (id) join users u on u.id = w.id order by u.id for no key update of u;
  perform from unnest(v_orders) as w (id) join orders o on o.id = w.id order by o.id for no key update of o;
  perform from unnest(p_attempts) as w (id) join attempts a on a.id = w.id order by a.id for no key update of a;
end $$;

create function lock_order(p_order uuid) returns setof orders
language sql security definer set search_path = public, pg_temp as $$
  select * from orders where id = p_order for no key update
$$;

create function lock_users(p_users bigint[]) returns void
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  perform from unnest(p_users) as w (id) join users u on u.id = w.id order by u.id for no key update of u;
end $$;

-- What a user was admitted to since a moment (an order counts while it is open or paid; refused, failed and given-up ones never do).
create function admitted_since(p_users bigint[], p_from timestamptz, p_besides uuid[]) returns table (user_id bigint, admitted_fen bigint)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
begin
  return query
  select u.id, coalesce(sum(o.amount_fen), 0)::bigint
  from unnest(p_users) as u (id)
  left join orders o on o.user_id = u.id and o.id >= id_floor(p_from) and o.id <> all (p_besides)
    and o.state not in ('refused', 'abandoned', 'failed', 'expired', 'cancelled', 'refunded')
  group by u.id;
end $$;

create view recharge_facts as
  select o.shop_id, o.user_id, o.id as order_id, o.state, o.amount_fen, o.refunded_fen, o.channel_id, o.method, o.created_at from orders o;

grant select on order_states, legal_order_moves, attempt_states, legal_attempt_moves, refund_states, legal_refund_moves, orders,
  order_moves, attempts, attempt_moves, refunds, refund_moves, notifications, notification_keys, fact_keys, idempotency_keys,
  anomalies, recharge_facts to daozhang_app;
grant insert on notifications, notification_keys, fact_keys, idempotency_keys, anomalies to daozhang_app;
grant update (reason, reason_facts) on orders to daozhang_app;
grant update (next_query_at, queries, action, payload, native_code, reason) on attempts to daozhang_app;
grant update (next_query_at, queries, native_code) on refunds to daozhang_app;
grant update (state, why, tries, next_try_at) on notifications to daozhang_app;
grant update (seen) on notification_keys, idempotency_keys to daozhang_app;
grant update (resolved_at, resolution) on anomalies to daozhang_app;
grant execute on function
  create_orders(bigint, timestamptz, uuid[], bigint[], bigint[], bigint[], text[], text[], text[], text[], timestamptz[]),
  create_attempts(bigint, timestamptz, uuid[], uuid[], bigint[], bigint[], text[], text[], text[], text[], bigint[], text[], bytea[],
    timestamptz[], timestamptz[]),
  move_orders(timestamptz, text, uuid[], integer[], text[], text[], text[], text[], text[], text[], text[]),
  move_attempts(timestamptz, text, uuid[], integer[], text[], text[], text[], text[], timestamptz[]),
  pay_attempts(timestamptz, text, uuid[], integer[], text[], text[], bytea[], bigint[]),
  create_refund(bigint, timestamptz, uuid, uuid, uuid, bigint, uuid, text, bigint, bigint, text, text, timestamptz),
  move_refund(timestamptz, text, uuid, text, text, text, timestamptz, text, text, text),
  count_refund(uuid, bigint), lock_for_settlement(uuid[]), lock_users(bigint[]), lock_order(uuid), admitted_since(bigint[], timestamptz, uuid[])
  to daozhang_app;
