-- What decisions say alike is written once.
-- Nearly all of them pass every check, in the same words, and these words were two thirds of what an order wrote. A decision has its
-- verdicts itself, or the hash of a text that others have too. Its own hash is over its verdicts, so a text that is altered or gone shows.

create table verdict_texts (
  hash bytea primary key check (length(hash) = 32),
  verdicts json not null
);
create trigger verdict_texts_unchanged before update or delete on verdict_texts for each row execute function refuse_change();
create trigger verdict_texts_kept before truncate on verdict_texts execute function refuse_change();
grant select, insert on verdict_texts to daozhang_app;

alter table decisions alter column verdicts drop not null;
alter table decisions add column verdicts_hash bytea;
-- What is there has verdicts of its own, and years of it need not be read again while everybody waits.
alter table decisions add constraint decisions_verdicts_once check ((verdicts is null) <> (verdicts_hash is null)) not valid;

-- Decisions with what they say, wherever that is written. Where a text is gone it is empty, which is not what the decision's hash is over.
create view decisions_told as
  select d.id, d.shop_id, d.user_id, d.order_id, d.stage, d.outcome, d.reason, d.book_version, d.facts,
    coalesce(d.verdicts, (select t.verdicts from verdict_texts t where t.hash = d.verdicts_hash), '[]') as verdicts, d.hash, d.latency_us,
    d.at
  from decisions d;
grant select on decisions_told to daozhang_app;

-- Whatever was not written before is. Who looks finds nearly always that it was, which costs less than trying to write it.
create function keep_texts(p_hashes bytea[], p_texts text[]) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  if exists (select from unnest(p_hashes) as w (hash) where not exists (select from verdict_texts t where t.hash = w.hash)) then
    insert into verdict_texts (hash, verdicts)
    select w.hash, w.content::json from unnest(p_hashes, p_texts) as w (hash, content) order by w.hash
    on conflict do nothing;
  end if;
end $$;
grant execute on function keep_texts(bytea[], text[]) to daozhang_app;

create or replace view decisions_desk as
  select d.id, d.shop_id, d.user_id, d.order_id, d.stage, d.outcome, d.reason, d.book_version, d.facts::text as facts,
    d.verdicts::text as verdicts, d.latency_us, d.at from decisions_told d;
create or replace view verdicts_facts as
  select d.id as decision_id, d.shop_id, d.user_id, d.order_id, d.stage, d.outcome, d.reason, d.verdicts, d.at from decisions_told d;

drop function keep_paid(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], json[], json[], bytea[], integer[],
  bytea[], bigint[]);

-- Decisions about payments, and who paid (migration 0120).
create function keep_paid(
  p_shop bigint, p_at timestamptz, p_book integer, p_ids uuid[], p_orders uuid[], p_users bigint[], p_outcomes text[], p_reasons text[],
  p_facts json[], p_verdicts json[], p_said bytea[], p_said_hashes bytea[], p_said_texts text[], p_hashes bytea[], p_latencies integer[],
  p_payers bytea[], p_amounts bigint[]
) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  perform keep_texts(p_said_hashes, p_said_texts);
  insert into decisions (id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, verdicts_hash, hash,
    latency_us, at)
  select p_ids[i], p_shop, p_users[i], p_orders[i], 'paid', p_outcomes[i], p_reasons[i], p_book, p_facts[i], p_verdicts[i], p_said[i],
    p_hashes[i], p_latencies[i], p_at
  from generate_series(1, cardinality(p_ids)) as i;
  begin
    insert into payer_marks (order_id, shop_id, payer, user_id, amount_fen, at)
    select p_orders[i], p_shop, p_payers[i], p_users[i], p_amounts[i], p_at
    from generate_series(1, cardinality(p_ids)) as i where p_payers[i] is not null;
  exception when unique_violation then
    insert into payer_marks (order_id, shop_id, payer, user_id, amount_fen, at)
    select p_orders[i], p_shop, p_payers[i], p_users[i], p_amounts[i], p_at
    from generate_series(1, cardinality(p_ids)) as i where p_payers[i] is not null
    on conflict do nothing;
  end;
end $$;
grant execute on function keep_paid(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], json[], json[], bytea[], bytea[],
  text[], bytea[], integer[], bytea[], bigint[]) to daozhang_app;

drop function keep_orders(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], json[], json[], bytea[],
  integer[], text[], bigint[], timestamptz, uuid[], text[], uuid[], bigint[], text[], text[], text[], text[], text[], bytea[], timestamptz,
  timestamptz);

-- What becomes of orders that were judged (migration 0117).
create function keep_orders(
  p_shop bigint, p_judged_at timestamptz, p_book integer, p_ids uuid[], p_orders uuid[], p_users bigint[], p_outcomes text[], p_reasons text[],
  p_facts json[], p_verdicts json[], p_said bytea[], p_said_hashes bytea[], p_said_texts text[], p_hashes bytea[], p_latencies integer[],
  p_provinces text[], p_amounts bigint[], p_at timestamptz, p_events uuid[], p_event_kinds text[], p_attempts uuid[], p_channels bigint[],
  p_kinds text[], p_methods text[], p_merchants text[], p_apps text[], p_ips text[], p_openids bytea[], p_expires timestamptz,
  p_due timestamptz
) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform keep_texts(p_said_hashes, p_said_texts);
  with judged as materialized (
    select * from unnest(p_ids, p_orders, p_users, p_outcomes, p_reasons, p_facts, p_verdicts, p_said, p_hashes, p_latencies, p_amounts,
        p_events, p_event_kinds, p_attempts, p_channels, p_kinds, p_methods, p_merchants, p_apps, p_ips, p_openids)
      as u (id, order_id, user_id, outcome, reason, facts, verdicts, said, hash, latency_us, amount_fen, event_id, event_kind, attempt_id,
        channel_id, kind, method, merchant, app, ip, openid)
  ), decided as (
    insert into decisions (id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, verdicts_hash, hash,
      latency_us, at)
    select j.id, p_shop, j.user_id, j.order_id, 'place', j.outcome, j.reason, p_book, j.facts, j.verdicts, j.said, j.hash, j.latency_us,
      p_judged_at
    from judged j
  ), tried as (
    insert into attempts (id, order_id, shop_id, user_id, channel_id, kind, method, merchant, app, state, version, amount_fen, currency,
      client_ip, payer_openid, created_at, expires_at, moved_at, next_query_at)
    select j.attempt_id, j.order_id, p_shop, j.user_id, j.channel_id, j.kind, j.method, j.merchant, j.app, 'prepared', 0, j.amount_fen, 'CNY',
      j.ip, j.openid, p_at, p_expires, p_at, p_due
    from judged j where j.attempt_id is not null
  )
  insert into events (id, shop_id, kind, order_id, user_id, actor, data, at)
  select j.event_id, p_shop, j.event_kind, j.order_id, j.user_id, 'buyer', jsonb_build_object('amount_fen', j.amount_fen), p_at
  from judged j;
  if array_remove(p_provinces, null) <> '{}' then
    insert into place_days (user_id, day, province, at)
    select u.user_id, business_day(p_judged_at), u.province, p_judged_at
    from unnest(p_users, p_provinces, p_outcomes) as u (user_id, province, outcome)
    where u.province is not null and u.outcome in ('admit', 'monitor') order by u.user_id
    on conflict do nothing;
  end if;
end $$;
grant execute on function keep_orders(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], json[], json[], bytea[], bytea[],
  text[], bytea[], integer[], text[], bigint[], timestamptz, uuid[], text[], uuid[], bigint[], text[], text[], text[], text[], text[], bytea[],
  timestamptz, timestamptz) to daozhang_app;
