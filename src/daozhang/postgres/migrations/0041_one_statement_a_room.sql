-- A settlement asks each room once: what it reads and what it writes stand in one function per room, whose plans no young table can spoil.

-- Lock as `lock_for_settlement` does, then read what the locked rows say, in a statement of its own. `place` counts the numbers as given.
create function read_for_settlement(p_attempts uuid[], p_channels bigint[], p_txns text[]) returns table (
  place bigint, id uuid, order_id uuid, user_id bigint, channel_id bigint, method text, merchant text, app text, currency text,
  amount_fen bigint, state text, version integer, channel_txn text, order_state text, order_version integer, purpose text,
  fact_known boolean, fact_attempt uuid
)
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_users bigint[];
  v_orders uuid[];
begin
  select array_agg(distinct a.user_id), array_agg(a.order_id order by a.order_id) into v_users, v_orders
  from unnest(p_attempts) as u (id) cross join lateral (select t.user_id, t.order_id from attempts t where t.id = u.id limit 1) a;
  perform from unnest(v_users) as w (id) join users u on u.id = w.id order by u.id for no key update of u;
  perform from unnest(v_orders) as w (id)
    cross join lateral (select from orders o where o.id = w.id limit 1 for no key update of o) o;
  perform from (select unnest(p_attempts) as id order by 1) as w
    cross join lateral (select from attempts a where a.id = w.id limit 1 for no key update of a) a;
  return query
  select u.place, a.id, a.order_id, a.user_id, a.channel_id, a.method, a.merchant, a.app, a.currency, a.amount_fen, a.state, a.version,
    a.channel_txn, o.state, o.version, o.purpose, f.channel_txn is not null, f.attempt_id
  from unnest(p_attempts, p_channels, p_txns) with ordinality as u (id, channel_id, txn, place)
  cross join lateral (
    select t.id, t.order_id, t.user_id, t.channel_id, t.method, t.merchant, t.app, t.currency, t.amount_fen, t.state, t.version, t.channel_txn
    from attempts t where t.id = u.id limit 1
  ) a
  cross join lateral (select r.state, r.version, r.purpose from orders r where r.id = a.order_id limit 1) o
  left join lateral (
    select k.channel_txn, k.attempt_id from fact_keys k where k.channel_id = u.channel_id and k.channel_txn = u.txn limit 1
  ) f on true;
end $$;

-- What may have changed since admission, and what the payment brings: the standing of each user, and the signals of who paid. A payer's
-- marks are looked for among orders of the last ninety days: payments of the last thirty, for orders that may have waited for them.
create function facts_paid(p_shop bigint, p_users bigint[], p_payers bytea[], p_near_fen bigint) returns table (
  place bigint, at timestamptz, standing text, standing_why text, standing_until timestamptz, standing_review_at timestamptz,
  user_age_s bigint, flagged boolean, payer_before boolean, payer_others bigint, payer_fen bigint, payer_near bigint
)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_at timestamptz := clock_now();
  v_first uuid := id_from(v_at - interval '90 days');
  v_last uuid := id_from(v_at + interval '1 day');
  v_month timestamptz := v_at - interval '30 days';
  v_day timestamptz := v_at - interval '1 day';
begin
  return query
  select w.place, v_at, i.standing, i.standing_why, i.standing_until, i.standing_review_at,
    extract(epoch from v_at - i.created_at)::bigint, coalesce(f.flagged and (f.ends_at is null or f.ends_at > v_at), false),
    p.before, p.others, p.fen, p.near
  from unnest(p_users, p_payers) with ordinality as w (user_id, payer, place)
  left join lateral (select * from identity_facts n where n.user_id = w.user_id and n.shop_id = p_shop limit 1) i on true
  left join lateral (select g.flagged, g.ends_at from payer_flags g where g.payer = w.payer order by g.id desc limit 1) f on true
  cross join lateral (
    select coalesce(bool_or(r.user_id = w.user_id), false) as before, count(distinct r.user_id) filter (where r.user_id <> w.user_id) as others,
      coalesce(sum(r.amount_fen) filter (where r.at > v_day), 0)::bigint as fen,
      count(*) filter (where r.at > v_day and r.amount_fen >= p_near_fen) as near
    from (
      select m.user_id, m.amount_fen, m.at from payer_marks m
      where m.payer = w.payer and m.at > v_month and m.order_id >= v_first and m.order_id < v_last
      order by m.at desc limit 500
    ) r
  ) p
  order by w.place;
end $$;

-- The decisions of a batch that is paid, and the marks of who paid: what the next windows count by. One moment, shop and book for all.
create function keep_paid(
  p_shop bigint, p_at timestamptz, p_book integer, p_ids uuid[], p_orders uuid[], p_users bigint[], p_outcomes text[], p_reasons text[],
  p_facts text[], p_verdicts text[], p_hashes bytea[], p_latencies integer[], p_payers bytea[], p_amounts bigint[]
) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  insert into decisions (id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, hash, latency_us, at)
  select u.id, p_shop, u.user_id, u.order_id, 'paid', u.outcome, u.reason, p_book, u.facts::json, u.verdicts::json, u.hash, u.latency_us, p_at
  from unnest(p_ids, p_users, p_orders, p_outcomes, p_reasons, p_facts, p_verdicts, p_hashes, p_latencies)
    as u (id, user_id, order_id, outcome, reason, facts, verdicts, hash, latency_us);
  insert into payer_marks (order_id, shop_id, payer, user_id, amount_fen, at)
  select u.order_id, p_shop, u.payer, u.user_id, u.amount_fen, p_at
  from unnest(p_orders, p_payers, p_users, p_amounts) as u (order_id, payer, user_id, amount_fen) where u.payer is not null
  on conflict do nothing;
end $$;

-- Raw messages that were not here before are kept, one that was is counted. Answers how many are new.
create function keep_notifications(
  p_shop bigint, p_at timestamptz, p_channels bigint[], p_ids uuid[], p_keys text[], p_states text[], p_whys text[], p_headers text[],
  p_bodies bytea[]
) returns integer
language plpgsql set search_path = public, pg_temp as $$
declare
  v_fresh uuid[];
  v_kept integer;
  v_all boolean;
begin
  with claimed as (
    insert into notification_keys (channel_id, key, notification_id)
    select * from unnest(p_channels, p_keys, p_ids) as u (channel_id, key, id) where u.key <> '' order by u.channel_id, u.key
    on conflict (channel_id, key) do update set seen = notification_keys.seen + 1
    returning notification_id, seen
  )
  select array_agg(notification_id) filter (where seen = 1) into v_fresh from claimed;
  v_all := cardinality(v_fresh) = cardinality(p_ids);
  insert into notifications (id, shop_id, channel_id, state, why, headers, body, at)
  select u.id, p_shop, u.channel_id, u.state, u.why, u.headers::json, u.body, p_at
  from unnest(p_ids, p_channels, p_states, p_whys, p_headers, p_bodies, p_keys) as u (id, channel_id, state, why, headers, body, key)
  where v_all or u.key = '' or u.id = any (v_fresh);
  get diagnostics v_kept = row_count;
  return v_kept;
end $$;

-- Orders that are paid as asked, and credited at once: fact keys, attempts, orders, both logs of moves, and the events, with one identifier
-- for each credit. Everything was read under its lock, so everything moves, or nothing is booked.
create function credit_orders(
  p_shop bigint, p_at timestamptz, p_actor text, p_ids uuid[], p_attempts uuid[], p_orders uuid[], p_users bigint[], p_channels bigint[],
  p_amounts bigint[], p_txns text[], p_payers bytea[], p_attempt_versions integer[], p_attempt_states text[], p_order_versions integer[],
  p_order_states text[], p_witnesses text[]
) returns void
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  v_moved integer;
begin
  insert into fact_keys (channel_id, channel_txn, attempt_id)
  select * from unnest(p_channels, p_txns, p_attempts) as u (channel_id, txn, attempt_id) order by channel_id, txn;
  with moved as (
    update attempts a set state = 'paid', version = s.version + 1, moved_at = p_at, next_query_at = null, channel_txn = s.txn,
      payer = s.payer, paid_fen = s.paid_fen, reason = null
    from unnest(p_attempts, p_attempt_versions, p_attempt_states, p_txns, p_payers, p_amounts)
      as s (id, version, from_state, txn, payer, paid_fen)
    where a.id = s.id and a.version = s.version and a.state = s.from_state
    returning s.id, s.version, s.from_state
  )
  insert into attempt_moves (attempt_id, version, from_state, move, to_state, actor, reason, at)
  select id, version + 1, from_state, 'paid', 'paid', p_actor, '', p_at from moved;
  get diagnostics v_moved = row_count;
  if v_moved <> cardinality(p_attempts) then
    raise exception 'a locked attempt did not move' using errcode = 'assert_failure';
  end if;
  with moved as (
    update orders o set state = 'credited', version = s.version + 2, moved_at = p_at, credited_at = p_at
    from unnest(p_orders, p_order_versions, p_order_states, p_witnesses) as s (id, version, from_state, witness)
    where o.id = s.id and o.version = s.version and o.state = s.from_state
    returning s.id, s.version, s.from_state, s.witness
  )
  insert into order_moves (order_id, version, from_state, move, to_state, actor, reason, at)
  select m.id, m.version + n, case n when 1 then m.from_state else 'paid' end, case n when 1 then 'paid' else 'credited' end,
    case n when 1 then 'paid' else 'credited' end, p_actor, case n when 1 then m.witness else '' end, p_at
  from moved m cross join generate_series(1, 2) as n;
  get diagnostics v_moved = row_count;
  if v_moved <> 2 * cardinality(p_orders) then
    raise exception 'a locked order did not move' using errcode = 'assert_failure';
  end if;
  insert into events (id, shop_id, kind, order_id, user_id, actor, data, at)
  select u.id, p_shop, 'order.credited', u.order_id, u.user_id, p_actor,
    ('{"amount_fen":' || u.amount_fen || ',"channel_id":' || u.channel_id || ',"witness":"' || u.witness || '"}')::jsonb, p_at
  from unnest(p_ids, p_orders, p_users, p_channels, p_amounts, p_witnesses) as u (id, order_id, user_id, channel_id, amount_fen, witness);
end $$;

-- Transfers of two lines, from one account to another: what nearly all are. Accounts are locked in the order of their ids, and the lines go
-- on from the balances in the order of the transfers.
create function post_pairs(
  p_shop bigint, p_at timestamptz, p_actor text, p_ids uuid[], p_kinds text[], p_sources uuid[], p_happened timestamptz[], p_reasons text[],
  p_from bigint[], p_to bigint[], p_amounts bigint[]
) returns void
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  perform from (select distinct unnest(p_from || p_to) as id order by 1) u
  cross join lateral (select from accounts a where a.id = u.id limit 1 for no key update of a) a;
  insert into posting_keys (source_id, kind, transfer_id) select * from unnest(p_sources, p_kinds, p_ids);
  with lines as (
    select u.id as transfer_id, n as line, u.place, case n when 1 then u.from_id else u.to_id end as account_id,
      case n when 1 then -u.amount_fen else u.amount_fen end as amount_fen
    from unnest(p_ids, p_from, p_to, p_amounts) with ordinality as u (id, from_id, to_id, amount_fen, place)
    cross join generate_series(1, 2) as n
  ), totals as (
    select l.transfer_id, l.line, l.account_id, l.amount_fen, sum(l.amount_fen) over so_far as sum_fen, row_number() over so_far as number
    from lines l window so_far as (partition by l.account_id order by l.place, l.line rows unbounded preceding)
  ), booked as (
    insert into transfers (id, shop_id, kind, source_id, line_count, happened_at, booked_at, actor, reason)
    select u.id, p_shop, u.kind, u.source_id, 2, u.happened_at, p_at, p_actor, u.reason
    from unnest(p_ids, p_kinds, p_sources, p_happened, p_reasons) as u (id, kind, source_id, happened_at, reason)
  )
  insert into postings (transfer_id, line, account_id, amount_fen, balance_after_fen, version)
  select t.transfer_id, t.line, t.account_id, t.amount_fen, (a.balance_fen + t.sum_fen)::bigint, a.version + t.number
  from totals t cross join lateral (select balance_fen, version from accounts where id = t.account_id limit 1) a;
end $$;

grant execute on function read_for_settlement(uuid[], bigint[], text[]), facts_paid(bigint, bigint[], bytea[], bigint),
  keep_paid(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], text[], text[], bytea[], integer[], bytea[], bigint[]),
  keep_notifications(bigint, timestamptz, bigint[], uuid[], text[], text[], text[], text[], bytea[]),
  credit_orders(bigint, timestamptz, text, uuid[], uuid[], uuid[], bigint[], bigint[], bigint[], text[], bytea[], integer[], text[], integer[],
    text[], text[]),
  post_pairs(bigint, timestamptz, text, uuid[], text[], uuid[], timestamptz[], text[], bigint[], bigint[], bigint[])
  to daozhang_app;
