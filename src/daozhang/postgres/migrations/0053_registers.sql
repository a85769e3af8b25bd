-- The registers of the law against money laundering, sealed and secret; and forgetting, when every duty has ended.

-- A suspicion is secret, also from those who decide about the case: everything that says whom it is about is in the sealed content.
create table suspicions (
  id uuid primary key,
  shop_id bigint not null references shops,
  content_sealed bytea not null check (octet_length(content_sealed) between 34 and 65536),
  state text not null default 'draft' check (state in ('draft', 'filed', 'dropped')),
  reference text check (length(reference) between 1 and 120),
  opened_by text not null check (length(opened_by) between 1 and 64),
  opened_at timestamptz not null,
  moved_at timestamptz not null,
  check ((state = 'filed') = (reference is not null))
);
create index on suspicions (shop_id, id);
create trigger suspicions_kept before delete on suspicions for each row execute function refuse_change();
create trigger suspicions_never_emptied before truncate on suspicions execute function refuse_change();

-- Who did what with the register, reading and export included. `sha256` is over what an export held.
create table suspicion_steps (
  id uuid primary key,
  shop_id bigint not null,
  suspicion_id uuid,
  what text not null check (what in ('opened', 'filed', 'dropped', 'read', 'exported')),
  actor text not null check (length(actor) between 1 and 64),
  why text not null default '' check (length(why) <= 400),
  sha256 bytea check (octet_length(sha256) = 32),
  at timestamptz not null
);
create index on suspicion_steps (shop_id, id);
create trigger suspicion_steps_unchanged before update or delete on suspicion_steps for each row execute function refuse_change();
create trigger suspicion_steps_kept before truncate on suspicion_steps execute function refuse_change();

create function end_suspicion(p_shop bigint, p_at timestamptz, p_id uuid, p_state text, p_reference text) returns uuid
language sql security definer set search_path = public, pg_temp as $$
  update suspicions set state = p_state, reference = p_reference, moved_at = p_at
  where id = p_id and shop_id = p_shop and state = 'draft' and p_state in ('filed', 'dropped') returning id
$$;

-- Who moved at least the sum of a day that a payment institution reports (银发〔2018〕163号, art. 2). One row a user, day and direction.
create table large_values (
  shop_id bigint not null references shops,
  day date not null,
  user_id bigint not null references users,
  direction text not null check (direction in ('in', 'out')),
  amount_fen bigint not null check (amount_fen > 0),
  count integer not null check (count > 0),
  noted_at timestamptz not null,
  primary key (shop_id, day, user_id, direction)
);
create trigger large_values_unchanged before update or delete on large_values for each row execute function refuse_change();
create trigger large_values_kept before truncate on large_values execute function refuse_change();

-- What a day of Shanghai held: money credited, and money that went back to payers by a channel or by hand.
create function note_large_values(p_shop bigint, p_day date, p_from_fen bigint, p_at timestamptz) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_from timestamptz := p_day::timestamp at time zone 'Asia/Shanghai';
  v_to timestamptz := (p_day + 1)::timestamp at time zone 'Asia/Shanghai';
  v_noted integer;
begin
  insert into large_values (shop_id, day, user_id, direction, amount_fen, count, noted_at)
  select p_shop, p_day, m.user_id, m.direction, sum(m.fen), count(*), p_at
  from (
    select o.user_id, 'in' as direction, a.paid_fen as fen
    from attempts a join orders o on o.id = a.order_id
    where a.shop_id = p_shop and a.state = 'paid' and a.moved_at >= v_from and a.moved_at < v_to
    union all
    select o.user_id, 'out', r.amount_fen
    from refunds r join orders o on o.id = r.order_id
    where r.shop_id = p_shop and r.state = 'done' and r.moved_at >= v_from and r.moved_at < v_to
    union all
    select y.user_id, 'out', y.amount_fen
    from payouts y where y.shop_id = p_shop and y.state = 'paid' and y.moved_at >= v_from and y.moved_at < v_to
  ) m
  group by m.user_id, m.direction having sum(m.fen) >= p_from_fen
  on conflict do nothing;
  get diagnostics v_noted = row_count;
  return v_noted;
end $$;

-- Who was let go of: the account stays as a number that its postings point at, and nothing says any more whose it was.
create table pseudonyms (
  user_id bigint primary key references users,
  shop_id bigint not null references shops,
  years integer not null check (years between 1 and 50),
  mode text not null,
  at timestamptz not null
);
create trigger pseudonyms_unchanged before update or delete on pseudonyms for each row execute function refuse_change();
create trigger pseudonyms_kept before truncate on pseudonyms execute function refuse_change();

-- What is never changed may still be forgotten, once its user was let go of: in three tables that hold sealed words about a person.
create or replace function refuse_change() returns trigger
language plpgsql as $$
declare
  v_user bigint;
begin
  if tg_op = 'UPDATE' and tg_table_name in ('verifications', 'case_messages', 'phone_words') then
    if tg_table_name = 'case_messages' then
      select c.user_id into v_user from public.cases c where c.id = old.case_id;
    else
      v_user := old.user_id;
    end if;
    if exists (select from public.pseudonyms p where p.user_id = v_user) then
      return new;
    end if;
  end if;
  raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;

-- Closed accounts that nothing has moved since a moment, that hold no money, and about which nobody still decides.
create function forgettable(p_shop bigint, p_before timestamptz, p_most integer) returns setof bigint
language sql stable security definer set search_path = public, pg_temp as $$
  select u.id from users u
  where u.shop_id = p_shop and u.standing = 'closed' and u.standing_since < p_before
    and not exists (select from pseudonyms p where p.user_id = u.id)
    and not exists (
      select from orders o where o.user_id = u.id
        and (o.moved_at >= p_before or o.state in ('held', 'frozen_by_order', 'misfit', 'refunding')))
    and not exists (select from purchases b where b.user_id = u.id and b.moved_at >= p_before)
    and not exists (select from payouts y where y.user_id = u.id and (y.moved_at >= p_before or y.state in ('proposed', 'approved')))
    and not exists (
      select from refunds r join orders o on o.id = r.order_id
      where o.user_id = u.id and (r.moved_at >= p_before or r.state in ('reserved', 'sent')))
    and not exists (select from cases c join case_states s on s.state = c.state where c.user_id = u.id and not s.terminal)
    and not exists (
      select from accounts a where a.shop_id = u.shop_id and a.balance_fen <> 0 and a.address = any (array['user:' || u.id || ':cash',
        'user:' || u.id || ':reserved', 'user:' || u.id || ':review']))
  order by u.id limit p_most
$$;

-- Let go of persons. Postings, transfers, orders and decisions stay; what says whose they were is overwritten.
create function pseudonymise(p_shop bigint, p_at timestamptz, p_users bigint[], p_years integer, p_mode text) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_zeros bytea := decode(repeat('00', 34), 'hex');
  v_users bigint[];
begin
  perform from users u where u.id = any (p_users) order by u.id for no key update;
  with gone as (
    insert into pseudonyms (user_id, shop_id, years, mode, at)
    select u.id, p_shop, p_years, p_mode, p_at from users u where u.id = any (p_users) and u.shop_id = p_shop and u.standing = 'closed'
    on conflict do nothing returning user_id
  )
  select coalesce(array_agg(user_id), '{}') into v_users from gone;
  update users set phone_sealed = v_zeros, phone_blind = sha256(uuid_send(gen_random_uuid())) where id = any (v_users);
  update verifications set name_sealed = v_zeros, number_sealed = v_zeros, number_blind = sha256(uuid_send(gen_random_uuid()))
  where user_id = any (v_users);
  delete from credentials where user_id = any (v_users);
  update sessions set address_sealed = v_zeros, agent = '' where user_id = any (v_users);
  update devices set agent = '' where user_id = any (v_users);
  delete from place_days where user_id = any (v_users);
  update orders set client_ip = '' where user_id = any (v_users);
  update attempts set client_ip = '', payer = null, payer_openid = null where user_id = any (v_users);
  update order_waits set wish = v_zeros where user_id = any (v_users);
  update payouts set payee = v_zeros, payee_tail = '****' where user_id = any (v_users);
  update supplies s set target_sealed = v_zeros from purchases b where b.id = s.purchase_id and b.user_id = any (v_users);
  update case_messages m set text_sealed = v_zeros from cases c where c.id = m.case_id and c.user_id = any (v_users);
  update phone_words set text_sealed = null where user_id = any (v_users);
  return cardinality(v_users);
end $$;

-- What channels wrote names payers, too: after the same time its words go, and that it came stays. Not what still waits to be settled.
create function forget_messages(p_shop bigint, p_before timestamptz, p_most integer) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_gone integer;
begin
  update notifications n set headers = '{}', body = '', report = null
  where n.id in (
    select d.id from notifications d
    where d.shop_id = p_shop and d.id < id_floor(p_before) and d.state <> 'stored' and length(d.body) > 0 order by d.id limit p_most);
  get diagnostics v_gone = row_count;
  return v_gone;
end $$;

grant select on suspicions, suspicion_steps, large_values, pseudonyms to daozhang_app;
grant insert on suspicions, suspicion_steps to daozhang_app;
grant execute on function end_suspicion(bigint, timestamptz, uuid, text, text), note_large_values(bigint, date, bigint, timestamptz),
  forgettable(bigint, timestamptz, integer), pseudonymise(bigint, timestamptz, bigint[], integer, text),
  forget_messages(bigint, timestamptz, integer) to daozhang_app;
