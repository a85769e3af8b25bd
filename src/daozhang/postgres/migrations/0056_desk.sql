-- What the desk reads: orders, attempts, decisions and odd money through views, whoever froze an account by its office, and failures.

-- Staff need not wait for an answer when they know enough.
insert into legal_case_moves (from_state, move, to_state) values ('need_user', 'proposed', 'second');

alter table standing_moves add column office text check (office in ('risk', 'support', 'finance', 'law'));
alter table users add column standing_office text check (standing_office in ('risk', 'support', 'finance', 'law'));

-- A freeze names its office, and ends or is looked at again: never neither.
create function freeze_user(p_user_id bigint, p_why text, p_office text, p_note text, p_actor text, p_until_at timestamptz,
  p_review_at timestamptz)
returns text
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_from text;
  v_now timestamptz;
begin
  if p_until_at is null and p_review_at is null then
    raise exception 'a freeze of user % without an end', p_user_id using errcode = 'check_violation', constraint = 'freeze_ends';
  end if;
  select standing into v_from from users where id = p_user_id for update;
  if not found or v_from = 'closed' then
    return v_from;
  end if;
  v_now := clock_now();
  insert into standing_moves (user_id, from_standing, to_standing, why, note, actor, until_at, review_at, office, at)
  values (p_user_id, v_from, 'frozen', p_why, p_note, p_actor, p_until_at, p_review_at, p_office, v_now);
  update users set standing = 'frozen', standing_why = p_why, standing_office = p_office, standing_since = v_now,
    standing_until = p_until_at, standing_review_at = p_review_at
  where id = p_user_id;
  return v_from;
end $$;

create view standing_facts as
  select m.user_id, u.shop_id, m.from_standing, m.to_standing, m.why, m.office, m.note, m.actor, m.until_at, m.review_at, m.at
  from standing_moves m join users u on u.id = m.user_id;
create view user_desk_facts as
  select u.id as user_id, u.shop_id, u.standing, u.standing_why, u.standing_office, u.standing_since, u.standing_until, u.standing_review_at,
    u.verification, u.created_at, u.seen_at, u.locale, u.phone_sealed,
    (select count(*) from devices d where d.user_id = u.id) as devices_count,
    (select count(*) from sessions s where s.user_id = u.id and s.ended_at is null and s.ends_at > clock_now()) as sessions_count
  from users u;

create view orders_desk as
  select o.id, o.shop_id, o.user_id, o.purpose, o.state, o.amount_fen, o.refunded_fen, o.channel_id, o.method, o.reason,
    o.created_at, o.moved_at, o.credited_at from orders o;
create view attempts_desk as
  select a.id, a.order_id, a.shop_id, a.user_id, a.channel_id, a.kind, a.method, a.merchant, a.state, a.amount_fen, a.paid_fen, a.channel_txn,
    a.native_code, a.reason, a.queries, a.next_query_at, a.created_at, a.expires_at, a.moved_at from attempts a;
create view decisions_desk as
  select d.id, d.shop_id, d.user_id, d.order_id, d.stage, d.outcome, d.reason, d.book_version, d.facts::text as facts,
    d.verdicts::text as verdicts, d.latency_us, d.at from decisions d;
create view anomalies_desk as
  select n.id, n.shop_id, n.kind, n.order_id, n.channel_id, n.amount_fen, n.facts::text as facts, n.at, n.resolved_at, n.resolution
  from anomalies n;
create view transactions_desk as
  select k.channel_id, k.channel_txn, k.attempt_id from fact_keys k;

-- What failed since a moment, one row per refusal or decline; whether its user's money came in afterwards, and whether the same way.
create view failures_desk as
  select f.shop_id, f.order_id, f.user_id, f.amount_fen, f.reason, f.channel_id, f.method, f.at from (
    select o.shop_id, a.order_id, o.user_id, o.amount_fen, a.reason, a.channel_id, a.method, a.created_at as at, a.id as since_id
    from attempts a join orders o on o.id = a.order_id where a.reason is not null and a.state <> 'paid'
    union all
    select o.shop_id, o.id, o.user_id, o.amount_fen, o.reason, o.channel_id, o.method, o.created_at, o.id
    from orders o where o.reason is not null and o.state in ('refused', 'failed', 'expired', 'reviewing', 'held')
      and not exists (select from attempts a where a.order_id = o.id and a.reason = o.reason)
  ) f;

revoke execute on function freeze_user(bigint, text, text, text, text, timestamptz, timestamptz) from public;
grant execute on function freeze_user(bigint, text, text, text, text, timestamptz, timestamptz) to daozhang_app;
grant select on standing_facts, user_desk_facts, orders_desk, attempts_desk, decisions_desk, anomalies_desk, transactions_desk,
  failures_desk to daozhang_app;
