-- The signals of risk, read in one call under the users' locks: windows over admitted orders, devices, payers and places.

-- What `id_floor` answers, in 3 us instead of 110: a function in SQL whose body is not immutable is planned anew at each call, and in a
-- condition on a partitioned table at each partition.
create function id_from(p_at timestamptz) returns uuid
language plpgsql immutable parallel safe as $$
begin
  return (lpad(to_hex(floor(extract(epoch from p_at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
end $$;

-- As before, with the floor worked out once.
create or replace function admitted_since(p_users bigint[], p_from timestamptz, p_besides uuid[])
returns table (user_id bigint, admitted_fen bigint)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_from uuid := id_from(p_from);
begin
  return query
  select u.id, coalesce(sum(o.amount_fen), 0)::bigint
  from unnest(p_users) as u (id)
  left join orders o on o.user_id = u.id and o.id >= v_from and o.id <> all (p_besides)
    and o.state not in ('refused', 'abandoned', 'failed', 'expired', 'cancelled', 'refunded')
  group by u.id;
end $$;

-- Whether an order stands for what its user was admitted to. Refused, given up, asked about or failed ones never do; an expired one
-- does only when the channel had taken it: what the channel or we could not do is nobody's pattern. (PL/pgSQL all through: it keeps its
-- plans, while a function in SQL plans anew at each call, over all partitions.)
create function stands(p_state text, p_order uuid) returns boolean
language plpgsql stable set search_path = public, pg_temp as $$
begin
  if p_state in ('refused', 'failed', 'challenged', 'reviewing', 'abandoned') then
    return false;
  end if;
  return p_state <> 'expired' or exists (select from order_moves m where m.order_id = p_order and m.move = 'submitted');
end $$;

-- When a user's last freeze ended: lifted by a person, or lapsed.
create function unfrozen_at(p_user bigint) returns timestamptz
language plpgsql stable set search_path = public, pg_temp as $$
begin
  return greatest(
    (select m.at from standing_moves m where m.user_id = p_user and m.from_standing = 'frozen' and m.to_standing = 'active'
      order by m.id desc limit 1),
    (select u.standing_until from users u where u.id = p_user and u.standing = 'frozen' and u.standing_until <= clock_now()));
end $$;

-- The keys under which one wish's tolerance is counted: its account, its browser, its payer.
create function tolerance_keys(p_user bigint, p_device uuid, p_payer bytea) returns bytea[]
language plpgsql stable set search_path = public, pg_temp as $$
begin
  return array_remove(array[
    '\x75'::bytea || int8send(p_user),
    case when p_device is not null then '\x64'::bytea || (select d.token_hash from devices d where d.id = p_device) end,
    '\x70'::bytea || p_payer
  ], null);
end $$;

-- Payments of the last hour that the payer's own bank or account refused, among at most 200 orders.
create function payer_failures(p_orders uuid[]) returns bigint
language plpgsql stable set search_path = public, pg_temp as $$
begin
  return (
    select count(*) from unnest(p_orders) u (id)
    cross join lateral (select a.reason from attempts a where a.order_id = u.id and a.id >= u.id limit 20) a
    where a.reason in ('account.payer_abnormal', 'account.payer_balance_short', 'account.payer_card_failed'));
end $$;

-- One row per wish, in order. What has no device, payer or province answers null there. Windows hold the orders before this one; who
-- asks adds it. `p_besides` are orders under judgement whose rows are there already. At most 500 rows of one window are looked at.
-- Each question is a statement of its own, and is not asked when there is nothing to ask about.
create function signals_before(
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
      where o.user_id = v_user and o.id >= v_day and o.id <> all (p_besides)
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
        where m.device = v_browser and m.order_id >= v_day and m.order_id <> all (p_besides) order by m.order_id desc limit 500
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
        select m.order_id from order_marks m where m.payer = v_payer and m.order_id >= v_hour order by m.order_id desc limit 200
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

-- What a payment brings: only its payer. At `paid` nothing else is asked again.
create function signals_paid(p_users bigint[], p_payers bytea[], p_near_fen bigint) returns table (
  place bigint, user_age_s bigint, flagged boolean, payer_before boolean, payer_others bigint, payer_fen bigint, payer_near bigint
)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_at timestamptz := clock_now();
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
      select m.user_id, m.amount_fen, m.at from payer_marks m where m.payer = w.payer and m.at > v_at - interval '30 days'
      order by m.at desc limit 500
    ) r
  ) p
  order by w.place;
end $$;

-- Whether confirmed losses outrun what was tolerated: then every tier is halved until they no longer do.
create function tolerance_halved(p_shop bigint, p_permille integer) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce((
    select sum(l.amount_fen) from policy_losses l
    where l.shop_id = p_shop and l.label = 'fraud' and l.at > clock_now() - interval '30 days'
  ), 0) * 1000 > p_permille * coalesce((
    select sum(t.used_fen) from tolerance_days t where t.key >= '\x75' and t.key < '\x76' and t.day > business_day(clock_now()) - 30
  ), 0)
$$;

grant execute on function
  id_from(timestamptz), signals_before(bigint[], uuid[], bytea[], text[], uuid[], bigint, integer, bigint), signals_paid(bigint[], bytea[], bigint),
  tolerance_keys(bigint, uuid, bytea), tolerance_halved(bigint, integer), unfrozen_at(bigint), stands(text, uuid) to daozhang_app;
