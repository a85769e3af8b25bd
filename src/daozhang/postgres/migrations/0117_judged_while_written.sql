-- Orders are read about first and written by a statement of their own: the program judges while the server writes.

drop function begin_orders(bigint, timestamptz, uuid[], bigint[], text[], bytea[], bigint[], bigint[], text[], text[], text[], text[],
  timestamptz, text[], text[], text[], uuid[], bytea[], text[], bigint, integer, bigint);

-- First, in a statement before anything is locked or read: a lock for each browser and payer, in the order of their numbers, so that two
-- batches never wait for each other. Who waits there holds nothing. An order that shares one with an earlier one of the same call is left for
-- a later transaction: nothing is read of it, and no row answers it. `asked` is the place of a row's wish in the call. Whoever has used a key
-- before is told what it stands for; keys are claimed under the lock of their user, so what is not there is free until this transaction ends.
create function begin_orders(
  p_shop bigint, p_users bigint[], p_keys text[], p_channels bigint[], p_methods text[], p_banks text[], p_instruments text[], p_devices uuid[],
  p_payers bytea[], p_provinces text[], p_large_fen bigint, p_window_s integer, p_near_fen bigint
) returns setof begun_orders
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_later bigint[];
  v_kept bigint[];
begin
  -- Entries fall together as their order says, so the second of a number follows the first of it.
  select array_agg(o.place) filter (where o.again) into v_later
  from (
    select n.place, n.number = lag(n.number) over (order by n.number, n.place) as again, pg_advisory_xact_lock(n.number) as held
    from (
      select w.place, hashtextextended(encode(k.key, 'hex'), 0) as number
      from unnest(p_devices, p_payers) with ordinality as w (device, payer, place)
      cross join lateral (
        select '\x64'::bytea || d.token_hash from devices d where d.id = w.device
        union all
        select '\x70'::bytea || w.payer where w.payer is not null
      ) k (key)
      order by number, place offset 0
    ) n
    offset 0
  ) o;
  if v_later is not null then
    select array_agg(u.place order by u.place), array_agg(u.user_id order by u.place), array_agg(u.key order by u.place),
      array_agg(u.channel order by u.place), array_agg(u.method order by u.place), array_agg(u.bank order by u.place),
      array_agg(u.instrument order by u.place), array_agg(u.device order by u.place), array_agg(u.payer order by u.place),
      array_agg(u.province order by u.place)
    into v_kept, p_users, p_keys, p_channels, p_methods, p_banks, p_instruments, p_devices, p_payers, p_provinces
    from unnest(p_users, p_keys, p_channels, p_methods, p_banks, p_instruments, p_devices, p_payers, p_provinces) with ordinality
      as u (user_id, key, channel, method, bank, instrument, device, payer, province, place)
    where u.place <> all (v_later);
  end if;
  perform from unnest(p_users) as w (id) join users u on u.id = w.id order by u.id for no key update of u;
  return query
  select k.request_hash, k.order_id, coalesce(v_kept[f.place], f.place), f.*
  from read_wishes(p_shop, p_users, p_channels, '{}', p_methods, p_banks, p_instruments, p_devices, p_payers, p_provinces, p_large_fen,
    p_window_s, p_near_fen) f
  left join lateral (
    select i.request_hash, i.order_id from idempotency_keys i
    where i.shop_id = p_shop and i.user_id = p_users[f.place] and i.key = p_keys[f.place] limit 1
  ) k on true;
end $$;
grant execute on function begin_orders(bigint, bigint[], text[], bigint[], text[], text[], text[], uuid[], bytea[], text[], bigint, integer, bigint)
  to daozhang_app;

-- The keys of new orders, the orders, and where they came from. Their users are locked, and `begin_orders` found their keys free.
create function write_orders(
  p_shop bigint, p_at timestamptz, p_ids uuid[], p_users bigint[], p_keys text[], p_hashes bytea[], p_amounts bigint[], p_channels bigint[],
  p_methods text[], p_pages text[], p_ips text[], p_locales text[], p_expires timestamptz, p_purposes text[], p_read_at timestamptz,
  p_browsers bytea[], p_payers bytea[], p_provinces text[]
) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  with sent as materialized (
    select * from unnest(p_ids, p_users, p_keys, p_hashes, p_amounts, p_channels, p_methods, p_pages, p_ips, p_locales, p_purposes, p_browsers,
        p_payers, p_provinces)
      as u (id, user_id, key, hash, amount_fen, channel_id, method, page, ip, locale, purpose, browser, payer, province)
  ), claimed as (
    insert into idempotency_keys (shop_id, user_id, key, request_hash, order_id, created_at)
    select p_shop, s.user_id, s.key, s.hash, s.id, p_at from sent s
  ), marked as (
    insert into order_marks (order_id, shop_id, user_id, device, payer, province, amount_fen, at)
    select s.id, p_shop, s.user_id, s.browser, s.payer, s.province, s.amount_fen, p_read_at
    from sent s where s.browser is not null or s.payer is not null or s.province is not null
  )
  insert into orders (id, shop_id, user_id, purpose, state, version, amount_fen, currency, channel_id, method, page_version, client_ip,
    locale, created_at, expires_at, moved_at)
  select s.id, p_shop, s.user_id, s.purpose, 'created', 0, s.amount_fen, 'CNY', s.channel_id, s.method, s.page, s.ip, s.locale, p_at,
    p_expires, p_at
  from sent s;
end $$;
grant execute on function write_orders(bigint, timestamptz, uuid[], bigint[], text[], bytea[], bigint[], bigint[], text[], text[], text[], text[],
  timestamptz, text[], timestamptz, bytea[], bytea[], text[]) to daozhang_app;

drop function keep_orders(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], json[], json[], bytea[],
  integer[], bytea[], bytea[], text[], bigint[], timestamptz, uuid[], text[], uuid[], bigint[], text[], text[], text[], text[], text[], bytea[],
  timestamptz, timestamptz);

-- What becomes of orders that were judged: their decisions, the attempts of those that are admitted, and what others may hear of it, in one
-- statement. One moment, shop and book for all; an order without an attempt has null there. Verdicts that all of them share come as one
-- entry, and are read once.
create function keep_orders(
  p_shop bigint, p_judged_at timestamptz, p_book integer, p_ids uuid[], p_orders uuid[], p_users bigint[], p_outcomes text[], p_reasons text[],
  p_facts json[], p_verdicts json[], p_hashes bytea[], p_latencies integer[], p_provinces text[], p_amounts bigint[], p_at timestamptz,
  p_events uuid[], p_event_kinds text[], p_attempts uuid[], p_channels bigint[], p_kinds text[], p_methods text[], p_merchants text[],
  p_apps text[], p_ips text[], p_openids bytea[], p_expires timestamptz, p_due timestamptz
) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  with judged as materialized (
    select * from unnest(p_ids, p_orders, p_users, p_outcomes, p_reasons, p_facts, p_verdicts, p_hashes, p_latencies, p_amounts, p_events,
        p_event_kinds, p_attempts, p_channels, p_kinds, p_methods, p_merchants, p_apps, p_ips, p_openids)
      as u (id, order_id, user_id, outcome, reason, facts, verdicts, hash, latency_us, amount_fen, event_id, event_kind, attempt_id, channel_id,
        kind, method, merchant, app, ip, openid)
  ), decided as (
    insert into decisions (id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, hash, latency_us, at)
    select j.id, p_shop, j.user_id, j.order_id, 'place', j.outcome, j.reason, p_book, j.facts, j.verdicts, j.hash, j.latency_us,
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
grant execute on function keep_orders(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], json[], json[], bytea[],
  integer[], text[], bigint[], timestamptz, uuid[], text[], uuid[], bigint[], text[], text[], text[], text[], text[], bytea[], timestamptz,
  timestamptz) to daozhang_app;
