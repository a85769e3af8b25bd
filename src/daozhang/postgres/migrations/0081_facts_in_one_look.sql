-- An order costs what its statements cost to begin and to end: facts are read by one function with few looks, and what is written is written by two.

-- One row per wish, in order: all that `policy/facts.py` reads before money moves. The columns mean what they meant in `admitted_since`,
-- `eligibility_of` and `signals_before`. A user's orders of the last week are looked at once for every window; what lies before them, only
-- for a user who is older than that. Nothing is asked that cannot have an answer: no device, no place, no payer, no limit in force.
-- `p_besides` are orders under judgement whose rows are there already.
create function facts_of_wishes(
  p_shops bigint[], p_users bigint[], p_channels bigint[], p_besides uuid[], p_methods text[], p_banks text[], p_instruments text[],
  p_devices uuid[], p_payers bytea[], p_provinces text[], p_large_fen bigint, p_window_s integer, p_near_fen bigint
) returns table (
  region_rules text, region text, at timestamptz, standing text, standing_why text, standing_until timestamptz, standing_review_at timestamptz,
  locked_until timestamptz, channel_enabled boolean, kind text, methods text[], no_credit boolean, admitted_fen bigint, recent_fen bigint[],
  day_ends_at timestamptz, verified boolean, age text, bought boolean, stored_fen bigint, minor_fen bigint, month_ends_at timestamptz,
  open_count integer, agreement_version integer, agreement_kept boolean, database_writes boolean, limits text,
  user_age_s bigint, verification text, unfrozen_s bigint, large_count bigint, hour_count bigint, day_count bigint, day_fen bigint,
  device_s bigint, device_others bigint, device_fen bigint, device_near bigint, device_failures bigint, usual boolean, elsewhere_s bigint,
  noted boolean, flagged boolean, payer_before boolean, payer_others bigint, payer_fen bigint, payer_near bigint, payer_failures bigint,
  used_fen bigint, used_count integer, month_fen bigint, lost boolean, pass_fen bigint
)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_at timestamptz := clock_now();
  v_today date := business_day(v_at);
  v_day timestamptz := v_today::timestamp at time zone 'Asia/Shanghai';
  v_month timestamptz := date_trunc('month', v_today::timestamp) at time zone 'Asia/Shanghai';
  v_week timestamptz := v_at - interval '7 days';
  v_window timestamptz := v_at - make_interval(secs => p_window_s);
  v_hour_ago timestamptz := v_at - interval '1 hour';
  -- What `id_from` answers, without ten microseconds for a call each.
  v_from_today uuid := (lpad(to_hex(floor(extract(epoch from v_day) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
  v_from_day uuid := (lpad(to_hex(floor(extract(epoch from v_at - interval '1 day') * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
  v_from_hour uuid := (lpad(to_hex(floor(extract(epoch from v_hour_ago) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
  v_from_week uuid := (lpad(to_hex(floor(extract(epoch from v_week) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
  v_last uuid := (lpad(to_hex(floor(extract(epoch from v_at + interval '1 day') * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
  v_rules jsonb := regulation_now(p_shops[1]);
  v_writes boolean := not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off';
  v_limits text[];
  v_user bigint;
  v_shop bigint;
  v_payer bytea;
  v_browser bytea;
  v_keys bytea[];
  v_marks uuid[];
  v_recent uuid[];
  v_agreement integer;
  v_born timestamptz;
  v_adult_on date;
  v_open_fen bigint;
  v_found record;
  v_channel record;
begin
  select null::bigint as id, null::bigint as shop_id, null::text as kind, false as enabled, null::text[] as methods, false as no_credit
  into v_channel;
  if exists (select from limits l where l.shop_id = any (p_shops) and l.valid_from <= v_at and (l.valid_until is null or l.valid_until > v_at)) then
    select array_agg(h.limits order by w.place) into v_limits
    from generate_series(1, cardinality(p_users)) as w (place)
    left join (
      select f.place, json_agg(f order by f.limit_id)::text as limits
      from limits_in_force(p_shops, p_users, p_channels, p_methods, p_banks, p_instruments, p_besides) f group by f.place
    ) h on h.place = w.place;
  end if;
  for i in 1..cardinality(p_users) loop
    v_user := p_users[i];
    v_payer := p_payers[i];
    if v_shop is distinct from p_shops[i] then
      v_shop := p_shops[i];
      v_agreement := present_agreement(v_shop);
    end if;
    at := v_at;
    region_rules := v_rules::text;
    region := case when v_rules <> '[]' then region_of_user(v_user) end;
    day_ends_at := (v_today + 1)::timestamp at time zone 'Asia/Shanghai';
    month_ends_at := (date_trunc('month', v_today::timestamp) + interval '1 month') at time zone 'Asia/Shanghai';
    agreement_version := v_agreement;
    database_writes := v_writes;
    limits := v_limits[i];

    if p_channels[i] is null then
      channel_enabled := null; kind := null; methods := null; no_credit := null;
    else
      if v_channel.id is distinct from p_channels[i] or v_channel.shop_id is distinct from v_shop then
        select p_channels[i] as id, v_shop as shop_id, c.kind, coalesce(c.enabled and c.keyed, false) as enabled,
          coalesce(c.methods, '{}') as methods, coalesce(c.no_credit, false) as no_credit
        into v_channel
        from (select) w left join channels_facts c on c.channel_id = p_channels[i] and c.shop_id = v_shop;
      end if;
      channel_enabled := v_channel.enabled; kind := v_channel.kind; methods := v_channel.methods; no_credit := v_channel.no_credit;
    end if;

    v_browser := null;
    device_s := null; device_others := null; device_fen := null; device_near := null; device_failures := null;
    if p_devices[i] is not null then
      select e.token_hash, extract(epoch from v_at - e.first_seen_at)::bigint, r.marks, r.recent
      into v_browser, device_s, v_marks, v_recent
      from devices e
      cross join lateral (
        select array_agg(q.order_id) as marks, array_agg(q.order_id) filter (where q.order_id >= v_from_hour) as recent
        from (
          select m.order_id from order_marks m
          where m.device = e.token_hash and m.order_id >= v_from_day and m.order_id < v_last and m.order_id <> all (p_besides)
          order by m.order_id desc limit 500
        ) q
      ) r
      where e.id = p_devices[i] and e.user_id = v_user;
    end if;
    if v_browser is not null then
      device_others := 0; device_fen := 0; device_near := 0; device_failures := 0;
      if v_marks is not null then
        select count(distinct s.user_id) filter (where s.user_id <> v_user), coalesce(sum(s.amount_fen), 0),
          count(*) filter (where s.amount_fen >= p_near_fen)
        into device_others, device_fen, device_near
        from unnest(v_marks) u (id)
        cross join lateral (select * from orders o where o.id = u.id and o.id >= v_from_day and o.id < v_last limit 1) s
        where stands(s.state, s.id);
      end if;
      if v_recent is not null then
        device_failures := (
          select count(*) from unnest(v_recent[1:200]) u (id)
          cross join lateral (
            select a.reason from attempts a where a.order_id = u.id and a.id >= u.id and a.id >= v_from_hour and a.id < v_last limit 20) a
          where a.reason in ('account.payer_abnormal', 'account.payer_balance_short', 'account.payer_card_failed'));
      end if;
    end if;

    usual := null; elsewhere_s := null; noted := null;
    if p_provinces[i] is not null then
      usual := exists (select from place_days q where q.user_id = v_user and q.day < v_today and q.province = p_provinces[i])
        or not exists (select from place_days q where q.user_id = v_user and q.province <> p_provinces[i]);
      select extract(epoch from v_at - max(q.login_at))::bigint into elsewhere_s from place_days q
      where q.user_id = v_user and q.day >= v_today - 1 and q.login_at is not null
        and not exists (select from place_days b where b.user_id = v_user and b.day < q.day and b.province = q.province)
        and exists (select from place_days b where b.user_id = v_user and b.at < q.at);
      noted := exists (select from place_days q where q.user_id = v_user and q.day = v_today and q.province = p_provinces[i]);
    end if;

    flagged := null; payer_before := null; payer_others := null; payer_fen := null; payer_near := null; payer_failures := null;
    if v_payer is not null then
      select p.flagged, p.payer_before, p.payer_others, p.payer_fen, p.payer_near
      into flagged, payer_before, payer_others, payer_fen, payer_near
      from signals_paid(array[v_user], array[v_payer], p_near_fen) p;
      select array_agg(r.order_id) into v_recent from (
        select m.order_id from order_marks m where m.payer = v_payer and m.order_id >= v_from_hour and m.order_id < v_last
        order by m.order_id desc limit 200
      ) r;
      payer_failures := 0;
      if v_recent is not null then
        payer_failures := (
          select count(*) from unnest(v_recent) u (id)
          cross join lateral (
            select a.reason from attempts a where a.order_id = u.id and a.id >= u.id and a.id >= v_from_hour and a.id < v_last limit 20) a
          where a.reason in ('account.payer_abnormal', 'account.payer_balance_short', 'account.payer_card_failed'));
      end if;
    end if;

    select
      coalesce(sum(o.amount_fen) filter (where o.id >= v_from_today
        and o.state not in ('refused', 'abandoned', 'failed', 'expired', 'cancelled', 'refunded')), 0)::bigint as admitted_fen,
      coalesce(sum(o.amount_fen) filter (where o.purpose = 'wallet' and o.state in ('created', 'awaiting_payment', 'closing')), 0)::bigint
        as open_fen,
      (count(*) filter (where o.state in ('created', 'awaiting_payment', 'closing', 'challenged')))::integer as open_count,
      count(*) filter (where o.counts and o.amount_fen >= p_large_fen and o.created_at > v_window) as large_count,
      count(*) filter (where o.counts and o.created_at > v_hour_ago) as hour_count,
      count(*) filter (where o.counts) as day_count,
      coalesce(sum(o.amount_fen) filter (where o.counts), 0)::bigint as day_fen,
      (array_agg(o.amount_fen order by o.id desc) filter (where o.state = 'credited' and o.shop_id = v_shop))[1:8] as recent_fen
    into admitted_fen, v_open_fen, open_count, large_count, hour_count, day_count, day_fen, recent_fen
    from (
      select q.id, q.shop_id, q.purpose, q.state, q.amount_fen, q.created_at, q.id >= v_from_day and stands(q.state, q.id) as counts
      from orders q where q.user_id = v_user and q.id >= v_from_week and q.id < v_last and q.id <> all (p_besides) offset 0
    ) o;

    -- The keys are those of `tolerance_keys`: the account, the browser, the payer.
    v_keys := array_remove(array['\x75'::bytea || int8send(v_user), '\x64'::bytea || v_browser, '\x70'::bytea || v_payer], null);
    select u.created_at, u.shop_id = v_shop as own, u.verification, u.standing_review_at, u.standing_until,
      u.standing = 'frozen' and u.standing_until <= v_at as over, u.standing, u.standing_why, n.adult_on,
      extract(epoch from v_at - greatest(
        (select m.at from standing_moves m where m.user_id = u.id and m.from_standing = 'frozen' and m.to_standing = 'active'
          order by m.id desc limit 1),
        case when u.standing = 'frozen' and u.standing_until <= v_at then u.standing_until end))::bigint as unfrozen_s,
      (select max(t.locked_until) from devices d join login_tries t on t.device_id = d.id
        where d.user_id = u.id and t.locked_until > v_at) as locked_until,
      exists (select from purchases p where p.user_id = u.id and p.shop_id = u.shop_id and p.state = 'delivered') as bought,
      (select coalesce(sum(a.balance_fen), 0) from accounts a where a.shop_id = u.shop_id and a.address = any (array[
        'user:' || u.id || ':cash', 'user:' || u.id || ':bonus', 'user:' || u.id || ':reserved', 'user:' || u.id || ':review']))::bigint
        as balance_fen,
      exists (select from policy_losses k where k.user_id = u.id and k.label = 'fraud' and k.at > v_at - interval '90 days') as lost,
      (select max(a.most_fen) from policy_passes a where a.user_id = u.id and a.used_at is null and a.ends_at > v_at) as pass_fen
    into v_found
    from users u
    left join lateral (select v.adult_on from verifications v where v.user_id = u.id and v.tier = 'identity' limit 1) n on true
    where u.id = v_user;
    v_born := v_found.created_at;
    v_adult_on := v_found.adult_on;
    verification := v_found.verification;
    user_age_s := extract(epoch from v_at - v_born)::bigint;
    unfrozen_s := v_found.unfrozen_s;
    lost := coalesce(v_found.lost, false);
    pass_fen := coalesce(v_found.pass_fen, 0);
    if v_found.own then
      standing := case when v_found.over then 'active' else v_found.standing end;
      standing_why := case when v_found.over then null else v_found.standing_why end;
      standing_until := v_found.standing_until; standing_review_at := v_found.standing_review_at; locked_until := v_found.locked_until;
    else
      standing := null; standing_why := null; standing_until := null; standing_review_at := null; locked_until := null;
    end if;
    verified := v_found.verification in ('identity', 'face');
    bought := v_found.bought;
    stored_fen := v_found.balance_fen + v_open_fen;
    if v_born is null then
      age := null; minor_fen := null; month_ends_at := null; open_count := null;
    elsif verified and v_adult_on > v_today then
      age := case when v_adult_on <= (v_today + interval '2 years')::date then 'from_16'
        when v_adult_on <= (v_today + interval '10 years')::date then 'from_8' else 'below_8' end;
    else
      age := case when verified then 'adult' else 'unverified' end;
    end if;
    if v_adult_on > v_today then
      minor_fen := (
        select coalesce(sum(o.amount_fen), 0) from orders o
        where o.user_id = v_user and o.id >= id_from(v_month) and o.id < v_last and o.id <> all (p_besides)
          and o.state not in ('refused', 'abandoned', 'failed', 'expired', 'cancelled', 'refunded'));
    elsif v_born is not null then
      minor_fen := 0;
    end if;

    recent_fen := coalesce(recent_fen, '{}');
    if cardinality(recent_fen) < 8 and (v_born is null or v_born < v_week) then
      recent_fen := recent_fen || array(
        select o.amount_fen from orders o
        where o.user_id = v_user and o.id < v_from_week and o.shop_id = v_shop and o.state = 'credited'
        order by o.id desc limit 8 - cardinality(recent_fen));
    end if;

    select coalesce(max(r.today_fen), 0), coalesce(max(r.today_count), 0), coalesce(max(r.month), 0)
    into used_fen, used_count, month_fen
    from (
      select sum(b.used_fen) filter (where b.day = v_today) as today_fen, sum(b.used_count) filter (where b.day = v_today) as today_count,
        sum(b.used_fen) as month
      from tolerance_days b where b.key = any (v_keys) and b.day > v_today - 30
      group by b.key
    ) r;
    agreement_kept := v_agreement > 0 and exists (
      select from agreement_consents c where c.user_id = v_user and c.shop_id = v_shop and c.version = v_agreement);
    return next;
  end loop;
end $$;
grant execute on function facts_of_wishes(bigint[], bigint[], bigint[], uuid[], text[], text[], text[], uuid[], bytea[], text[], bigint, integer,
  bigint) to daozhang_app;

-- Take the locks of users in the order of their ids, claim the keys of what they send, and write the orders of the keys that are new.
-- Answers whose order each key stands for.
create function begin_orders(
  p_shop bigint, p_at timestamptz, p_ids uuid[], p_users bigint[], p_keys text[], p_hashes bytea[], p_amounts bigint[], p_channels bigint[],
  p_methods text[], p_pages text[], p_ips text[], p_locales text[], p_expires timestamptz, p_purposes text[]
) returns table (user_id bigint, key text, request_hash bytea, order_id uuid)
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
begin
  perform from unnest(p_users) as w (id) join users u on u.id = w.id order by u.id for no key update of u;
  return query
  with sent as materialized (
    select * from unnest(p_ids, p_users, p_keys, p_hashes, p_amounts, p_channels, p_methods, p_pages, p_ips, p_locales, p_purposes)
      as u (id, user_id, key, hash, amount_fen, channel_id, method, page, ip, locale, purpose)
  ), claimed as (
    insert into idempotency_keys as k (shop_id, user_id, key, request_hash, order_id, created_at)
    select p_shop, s.user_id, s.key, s.hash, s.id, p_at from sent s order by s.user_id, s.key
    on conflict (shop_id, user_id, key) do update set seen = k.seen + 1
    returning k.user_id, k.key, k.request_hash, k.order_id
  ), made as (
    insert into orders (id, shop_id, user_id, purpose, state, version, amount_fen, currency, channel_id, method, page_version, client_ip,
      locale, created_at, expires_at, moved_at)
    select s.id, p_shop, s.user_id, s.purpose, 'created', 0, s.amount_fen, 'CNY', s.channel_id, s.method, s.page, s.ip, s.locale, p_at,
      p_expires, p_at
    from sent s where exists (select from claimed c where c.order_id = s.id)
  )
  select c.user_id, c.key, c.request_hash, c.order_id from claimed c;
end $$;
grant execute on function begin_orders(bigint, timestamptz, uuid[], bigint[], text[], bytea[], bigint[], bigint[], text[], text[], text[], text[],
  timestamptz, text[]) to daozhang_app;

-- What becomes of orders that were judged: their decisions, where they came from, the attempts of those that are admitted, and what
-- others may hear of it. One moment, shop and book for all; the attempts are fewer where not all are admitted.
create function keep_orders(
  p_shop bigint, p_at timestamptz, p_book integer, p_ids uuid[], p_orders uuid[], p_users bigint[], p_outcomes text[], p_reasons text[],
  p_facts text[], p_verdicts text[], p_hashes bytea[], p_latencies integer[], p_devices uuid[], p_payers bytea[], p_provinces text[],
  p_amounts bigint[], p_events uuid[], p_event_kinds text[], p_event_data text[], p_event_at timestamptz, p_attempts uuid[],
  p_attempt_orders uuid[], p_attempt_users bigint[], p_channels bigint[], p_kinds text[], p_methods text[], p_merchants text[], p_apps text[],
  p_attempt_amounts bigint[], p_ips text[], p_openids bytea[], p_expires timestamptz, p_due timestamptz
) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform keep_placed(p_shop, p_at, p_book, p_ids, p_orders, p_users, p_outcomes, p_reasons, p_facts, p_verdicts, p_hashes, p_latencies,
    p_devices, p_payers, p_provinces, p_amounts);
  if array_remove(p_provinces, null) <> '{}' then
    insert into place_days (user_id, day, province, at)
    select u.user_id, business_day(p_at), u.province, p_at
    from unnest(p_users, p_provinces, p_outcomes) as u (user_id, province, outcome)
    where u.province is not null and u.outcome in ('admit', 'monitor') order by u.user_id
    on conflict do nothing;
  end if;
  insert into attempts (id, order_id, shop_id, user_id, channel_id, kind, method, merchant, app, state, version, amount_fen, currency,
    client_ip, payer_openid, created_at, expires_at, moved_at, next_query_at)
  select u.id, u.order_id, p_shop, u.user_id, u.channel_id, u.kind, u.method, u.merchant, u.app, 'prepared', 0, u.amount_fen, 'CNY',
    u.ip, u.openid, p_event_at, p_expires, p_event_at, p_due
  from unnest(p_attempts, p_attempt_orders, p_attempt_users, p_channels, p_kinds, p_methods, p_merchants, p_apps, p_attempt_amounts, p_ips,
    p_openids) as u (id, order_id, user_id, channel_id, kind, method, merchant, app, amount_fen, ip, openid);
  insert into events (id, shop_id, kind, order_id, user_id, actor, data, at)
  select u.id, p_shop, u.kind, u.order_id, u.user_id, 'buyer', u.data::jsonb, p_event_at
  from unnest(p_events, p_event_kinds, p_orders, p_users, p_event_data) as u (id, kind, order_id, user_id, data);
end $$;
grant execute on function keep_orders(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], text[], text[], bytea[],
  integer[], uuid[], bytea[], text[], bigint[], uuid[], text[], text[], timestamptz, uuid[], uuid[], bigint[], bigint[], text[], text[],
  text[], text[], bigint[], text[], bytea[], timestamptz, timestamptz) to daozhang_app;
