-- Looks over time name where they begin and where they end, so that only the months between are opened; the clock is planned once.

-- As before. In SQL it was planned anew at each call from PL/pgSQL, ten times an order: 70 us each, 20 now.
create or replace function clock_now() returns timestamptz
language plpgsql stable parallel safe as $$
begin
  return pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => (select c.offset_s from public.clock_offset c));
end $$;

-- As before, up to tomorrow: tables reach twelve months ahead, and each of their months costs a look that is planned for it 5 us.
create or replace function admitted_since(p_users bigint[], p_from timestamptz, p_besides uuid[])
returns table (user_id bigint, admitted_fen bigint)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_from uuid := id_from(p_from);
  v_last uuid := id_from(clock_now() + interval '1 day');
begin
  return query
  select u.id, coalesce(sum(o.amount_fen), 0)::bigint
  from (select distinct unnest(p_users)) as u (id)
  left join orders o on o.user_id = u.id and o.id >= v_from and o.id < v_last and o.id <> all (p_besides)
    and o.state not in ('refused', 'abandoned', 'failed', 'expired', 'cancelled', 'refunded')
  group by u.id;
end $$;

-- As before, between two identifiers worked out once: a function in SQL in the condition was planned at each month.
create or replace function limits_in_force(
  p_shops bigint[], p_users bigint[], p_channels bigint[], p_methods text[], p_banks text[], p_instruments text[], p_besides uuid[]
) returns table (
  place bigint, limit_id bigint, owner text, kind text, channel_id bigint, method text, bank text, instrument text, min_fen bigint,
  single_fen bigint, day_fen bigint, month_fen bigint, opens time, closes time, fee_bp integer, demo boolean, changed_axis text,
  changed_fen bigint, day_used_fen bigint, month_used_fen bigint, at timestamptz, day_ends_at timestamptz, month_ends_at timestamptz
)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
  v_at timestamptz := clock_now();
  v_today date := business_day(v_at);
  v_day timestamptz := v_today::timestamp at time zone 'Asia/Shanghai';
  v_day_ends timestamptz := (v_today + 1)::timestamp at time zone 'Asia/Shanghai';
  v_month timestamptz := date_trunc('month', v_today::timestamp) at time zone 'Asia/Shanghai';
  v_first uuid := id_from(v_month - interval '31 days');
  v_last uuid := id_from(v_at + interval '1 day');
  v_month_ends timestamptz := (date_trunc('month', v_today::timestamp) + interval '1 month') at time zone 'Asia/Shanghai';
begin
  return query
  select w.place, l.id, l.owner, l.kind, l.channel_id, l.method, l.bank, l.instrument, l.min_fen, l.single_fen, l.day_fen, l.month_fen,
    l.opens, l.closes, l.fee_bp, l.demo, l.changed_axis, l.changed_fen,
    coalesce(u.day_fen, 0)::bigint, coalesce(u.month_fen, 0)::bigint, v_at, v_day_ends, v_month_ends
  from unnest(p_shops, p_users, p_channels, p_methods, p_banks, p_instruments) with ordinality
    as w (shop_id, user_id, channel_id, method, bank, instrument, place)
  left join lateral (select c.kind from channels c where c.id = w.channel_id limit 1) c on true
  join limits l on l.shop_id = w.shop_id and l.valid_from <= v_at and (l.valid_until is null or l.valid_until > v_at)
    and (l.channel_id is null or l.channel_id = w.channel_id) and (l.kind is null or l.kind = c.kind)
    and (l.method is null or l.method = w.method) and (l.bank is null or l.bank = w.bank)
    and (l.instrument is null or l.instrument = w.instrument)
  left join lateral (
    select sum(o.amount_fen) filter (where o.until_at >= v_day) as day_fen, sum(o.amount_fen) as month_fen
    from (
      select max(t.amount_fen) as amount_fen, max(case when t.state = 'paid' then t.moved_at else v_at end) as until_at
      from attempts t
      where t.user_id = w.user_id and t.id >= v_first and t.id < v_last and t.state <> 'closed'
        and (t.state <> 'paid' or t.moved_at >= v_month) and t.order_id <> all (p_besides)
        and (l.channel_id is null or t.channel_id = l.channel_id) and (l.kind is null or t.kind = l.kind)
        and (l.method is null or t.method = l.method) and (l.bank is null or t.bank = l.bank)
        and (l.instrument is null or t.instrument = l.instrument)
      group by t.order_id
    ) o
  ) u on l.day_fen is not null or l.month_fen is not null
  order by w.place, l.id;
end $$;

-- As before, up to tomorrow.
create or replace function signals_before(
  p_users bigint[], p_devices uuid[], p_payers bytea[], p_provinces text[], p_besides uuid[], p_large_fen bigint, p_window_s integer,
  p_near_fen bigint
) returns table (
  place bigint, user_age_s bigint, verification text, unfrozen_s bigint, large_count bigint, hour_count bigint, day_count bigint,
  day_fen bigint, device_s bigint, device_others bigint, device_fen bigint, device_near bigint, device_failures bigint,
  usual boolean, elsewhere_s bigint, noted boolean, flagged boolean, payer_before boolean, payer_others bigint, payer_fen bigint,
  payer_near bigint, payer_failures bigint, used_fen bigint, used_count integer, month_fen bigint, lost boolean, pass_fen bigint
)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_at timestamptz := clock_now();
  v_today date := business_day(v_at);
  v_day uuid := id_from(v_at - interval '1 day');
  v_hour uuid := id_from(v_at - interval '1 hour');
  v_last uuid := id_from(v_at + interval '1 day');
  v_user bigint;
  v_browser bytea;
  v_payer bytea;
  v_marks uuid[];
  v_recent uuid[];
begin
  for i in 1..cardinality(p_users) loop
    v_user := p_users[i];
    v_payer := p_payers[i];
    v_browser := null;
    place := i;
    device_s := null; device_others := null; device_fen := null; device_near := null; device_failures := null;
    usual := null; elsewhere_s := null; noted := null;
    flagged := null; payer_before := null; payer_others := null; payer_fen := null; payer_near := null; payer_failures := null;

    select extract(epoch from v_at - u.created_at)::bigint, u.verification, extract(epoch from v_at - unfrozen_at(u.id))::bigint
    into user_age_s, verification, unfrozen_s from users u where u.id = v_user;

    select count(*) filter (where r.amount_fen >= p_large_fen and r.created_at > v_at - make_interval(secs => p_window_s)),
      count(*) filter (where r.created_at > v_at - interval '1 hour'), count(*), coalesce(sum(r.amount_fen), 0)
    into large_count, hour_count, day_count, day_fen
    from (
      select o.id, o.state, o.amount_fen, o.created_at from orders o
      where o.user_id = v_user and o.id >= v_day and o.id < v_last and o.id <> all (p_besides)
        and o.state not in ('refused', 'failed', 'challenged', 'reviewing', 'abandoned')
      order by o.id desc limit 500
    ) r
    where r.state <> 'expired' or stands(r.state, r.id);

    if p_devices[i] is not null then
      select e.token_hash, extract(epoch from v_at - e.first_seen_at)::bigint into v_browser, device_s
      from devices e where e.id = p_devices[i] and e.user_id = v_user;
    end if;
    if v_browser is not null then
      device_others := 0; device_fen := 0; device_near := 0; device_failures := 0;
      select array_agg(r.order_id), array_agg(r.order_id) filter (where r.order_id >= v_hour) into v_marks, v_recent
      from (
        select m.order_id from order_marks m
        where m.device = v_browser and m.order_id >= v_day and m.order_id < v_last and m.order_id <> all (p_besides)
        order by m.order_id desc limit 500
      ) r;
      if v_marks is not null then
        select count(distinct s.user_id) filter (where s.user_id <> v_user), coalesce(sum(s.amount_fen), 0),
          count(*) filter (where s.amount_fen >= p_near_fen)
        into device_others, device_fen, device_near
        from unnest(v_marks) u (id) cross join lateral (select * from orders o where o.id = u.id limit 1) s
        where stands(s.state, s.id);
      end if;
      if v_recent is not null then
        device_failures := payer_failures(v_recent[1:200]);
      end if;
    end if;

    if p_provinces[i] is not null then
      usual := exists (select from place_days q where q.user_id = v_user and q.day < v_today and q.province = p_provinces[i])
        or not exists (select from place_days q where q.user_id = v_user and q.province <> p_provinces[i]);
      select extract(epoch from v_at - max(q.login_at))::bigint into elsewhere_s from place_days q
      where q.user_id = v_user and q.day >= v_today - 1 and q.login_at is not null
        and not exists (select from place_days b where b.user_id = v_user and b.day < q.day and b.province = q.province)
        and exists (select from place_days b where b.user_id = v_user and b.at < q.at);
      noted := exists (select from place_days q where q.user_id = v_user and q.day = v_today and q.province = p_provinces[i]);
    end if;

    if v_payer is not null then
      select p.flagged, p.payer_before, p.payer_others, p.payer_fen, p.payer_near
      into flagged, payer_before, payer_others, payer_fen, payer_near
      from signals_paid(array[v_user], array[v_payer], p_near_fen) p;
      select array_agg(r.order_id) into v_recent from (
        select m.order_id from order_marks m where m.payer = v_payer and m.order_id >= v_hour and m.order_id < v_last
        order by m.order_id desc limit 200
      ) r;
      payer_failures := case when v_recent is null then 0 else payer_failures(v_recent) end;
    end if;

    select coalesce(max(r.today_fen), 0), coalesce(max(r.today_count), 0), coalesce(max(r.month), 0)
    into used_fen, used_count, month_fen
    from (
      select sum(b.used_fen) filter (where b.day = v_today) as today_fen, sum(b.used_count) filter (where b.day = v_today) as today_count,
        sum(b.used_fen) as month
      from unnest(tolerance_keys(v_user, case when v_browser is not null then p_devices[i] end, v_payer)) k
      join tolerance_days b on b.key = k and b.day > v_today - 30
      group by k
    ) r;
    lost := exists (select from policy_losses k where k.user_id = v_user and k.label = 'fraud' and k.at > v_at - interval '90 days');
    select coalesce(max(a.most_fen), 0) into pass_fen
    from policy_passes a where a.user_id = v_user and a.used_at is null and a.ends_at > v_at;
    return next;
  end loop;
end $$;

-- As before, among orders of the last ninety days: payments of the last thirty, for orders that may have waited for them.
create or replace function signals_paid(p_users bigint[], p_payers bytea[], p_near_fen bigint) returns table (
  place bigint, user_age_s bigint, flagged boolean, payer_before boolean, payer_others bigint, payer_fen bigint, payer_near bigint
)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_at timestamptz := clock_now();
  v_first uuid := id_from(v_at - interval '90 days');
  v_last uuid := id_from(v_at + interval '1 day');
begin
  return query
  select w.place, extract(epoch from v_at - (select u.created_at from users u where u.id = w.user_id))::bigint,
    coalesce(f.flagged and (f.ends_at is null or f.ends_at > v_at), false), p.before, p.others, p.fen, p.near
  from unnest(p_users, p_payers) with ordinality as w (user_id, payer, place)
  left join lateral (select g.flagged, g.ends_at from payer_flags g where g.payer = w.payer order by g.id desc limit 1) f on true
  cross join lateral (
    select coalesce(bool_or(r.user_id = w.user_id), false) as before, count(distinct r.user_id) filter (where r.user_id <> w.user_id) as others,
      coalesce(sum(r.amount_fen) filter (where r.at > v_at - interval '1 day'), 0)::bigint as fen,
      count(*) filter (where r.at > v_at - interval '1 day' and r.amount_fen >= p_near_fen) as near
    from (
      select m.user_id, m.amount_fen, m.at from payer_marks m where m.payer = w.payer and m.at > v_at - interval '30 days' and m.order_id >= v_first
        and m.order_id < v_last
      order by m.at desc limit 500
    ) r
  ) p
  order by w.place;
end $$;

-- The decisions about orders that are placed, and from where they came: what the next windows count by. One moment, shop and book for all.
create function keep_placed(
  p_shop bigint, p_at timestamptz, p_book integer, p_ids uuid[], p_orders uuid[], p_users bigint[], p_outcomes text[], p_reasons text[],
  p_facts text[], p_verdicts text[], p_hashes bytea[], p_latencies integer[], p_devices uuid[], p_payers bytea[], p_provinces text[],
  p_amounts bigint[]
) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  insert into decisions (id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, hash, latency_us, at)
  select u.id, p_shop, u.user_id, u.order_id, 'place', u.outcome, u.reason, p_book, u.facts::json, u.verdicts::json, u.hash, u.latency_us, p_at
  from unnest(p_ids, p_users, p_orders, p_outcomes, p_reasons, p_facts, p_verdicts, p_hashes, p_latencies)
    as u (id, user_id, order_id, outcome, reason, facts, verdicts, hash, latency_us);
  insert into order_marks (order_id, shop_id, user_id, device, payer, province, amount_fen, at)
  select u.order_id, p_shop, u.user_id, (select d.token_hash from devices d where d.id = u.device_id), u.payer, u.province, u.amount_fen, p_at
  from unnest(p_orders, p_users, p_devices, p_payers, p_provinces, p_amounts) as u (order_id, user_id, device_id, payer, province, amount_fen)
  where u.order_id is not null and (u.device_id is not null or u.payer is not null or u.province is not null)
  on conflict do nothing;
end $$;

-- Take the locks of users in the order of their ids, then claim the keys of what they send. Answers whose order each key stands for.
create function claim_orders(p_shop bigint, p_users bigint[], p_keys text[], p_hashes bytea[], p_orders uuid[])
returns table (user_id bigint, key text, request_hash bytea, order_id uuid)
language plpgsql set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  perform lock_users(p_users);
  return query
  insert into idempotency_keys as k (shop_id, user_id, key, request_hash, order_id, created_at)
  select p_shop, u.user_id, u.key, u.hash, u.order_id, clock_now()
  from unnest(p_users, p_keys, p_hashes, p_orders) as u (user_id, key, hash, order_id) order by u.user_id, u.key
  on conflict (shop_id, user_id, key) do update set seen = k.seen + 1
  returning k.user_id, k.key, k.request_hash, k.order_id;
end $$;

grant execute on function
  keep_placed(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], text[], text[], bytea[], integer[], uuid[], bytea[],
    text[], bigint[]),
  claim_orders(bigint, bigint[], text[], bytea[], uuid[])
  to daozhang_app;
