-- The signals of risk, read in one call under the users' locks: windows over admitted orders, devices, payers and places.

-- Whether an order stands for what its user was admitted to. Refused, given up, asked about or failed ones never do; an expired one
-- does only when the channel had taken it: what the channel or we could not do is nobody's pattern.
create function stands(p_state text, p_order uuid) returns boolean
language sql stable set search_path = public, pg_temp as $$
  select p_state not in ('refused', 'failed', 'challenged', 'reviewing', 'abandoned')
    and (p_state <> 'expired' or exists (select from order_moves m where m.order_id = p_order and m.move = 'submitted'))
$$;

-- When a user's last freeze ended: lifted by a person, or lapsed.
create function unfrozen_at(p_user bigint) returns timestamptz
language sql stable set search_path = public, pg_temp as $$
  select greatest(
    (select m.at from standing_moves m where m.user_id = p_user and m.from_standing = 'frozen' and m.to_standing = 'active'
      order by m.id desc limit 1),
    (select u.standing_until from users u where u.id = p_user and u.standing = 'frozen' and u.standing_until <= clock_now()))
$$;

-- Payments that the payer's own bank or account refused, of orders marked with a device or a payer, since a moment.
create function payer_failures(p_device bytea, p_payer bytea, p_since timestamptz) returns bigint
language sql stable set search_path = public, pg_temp as $$
  select count(*)
  from (
    select m.order_id from order_marks m
    where m.order_id >= id_floor(p_since) and (case when p_device is not null then m.device = p_device else m.payer = p_payer end)
    order by m.order_id desc limit 200
  ) recent
  join attempts a on a.order_id = recent.order_id and a.id >= recent.order_id
  where a.reason in ('account.payer_abnormal', 'account.payer_balance_short', 'account.payer_card_failed')
$$;

-- One row per wish, in order. What has no device, payer or province answers null there. Windows hold the orders before this one; who
-- asks adds it. `p_besides` are orders under judgement whose rows are there already. At most 500 rows of one window are looked at.
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
begin
  return query
  select w.place, extract(epoch from v_at - u.created_at)::bigint, u.verification, extract(epoch from v_at - unfrozen_at(w.user_id))::bigint,
    o.large, o.hour, o.day, o.fen, extract(epoch from v_at - d.first_seen_at)::bigint, x.others, x.fen, x.near,
    case when d.token_hash is not null then payer_failures(d.token_hash, null, v_at - interval '1 hour') end,
    l.usual, l.elsewhere_s, l.noted,
    case when w.payer is not null then coalesce(f.flagged and (f.ends_at is null or f.ends_at > v_at), false) end,
    p.before, p.others, p.fen, p.near,
    case when w.payer is not null then payer_failures(null, w.payer, v_at - interval '1 hour') end,
    t.used_fen, t.used_count, t.month_fen,
    exists (select from policy_losses k where k.user_id = w.user_id and k.label = 'fraud' and k.at > v_at - interval '90 days'),
    (select coalesce(max(a.most_fen), 0) from policy_passes a where a.user_id = w.user_id and a.used_at is null and a.ends_at > v_at)
  from unnest(p_users, p_devices, p_payers, p_provinces) with ordinality as w (user_id, device, payer, province, place)
  left join lateral (select * from users where id = w.user_id limit 1) u on true
  cross join lateral (
    select count(*) filter (where r.amount_fen >= p_large_fen and r.created_at > v_at - make_interval(secs => p_window_s)) as large,
      count(*) filter (where r.created_at > v_at - interval '1 hour') as hour, count(*) as day, coalesce(sum(r.amount_fen), 0)::bigint as fen
    from (
      select o.id, o.state, o.amount_fen, o.created_at from orders o
      where o.user_id = w.user_id and o.id >= id_floor(v_at - interval '1 day') and o.id <> all (p_besides)
        and o.state not in ('refused', 'failed', 'challenged', 'reviewing', 'abandoned')
      order by o.id desc limit 500
    ) r
    where r.state <> 'expired' or stands(r.state, r.id)
  ) o
  left join lateral (
    select e.first_seen_at, e.token_hash from devices e where e.id = w.device and e.user_id = w.user_id limit 1
  ) d on w.device is not null
  left join lateral (
    select count(distinct r.user_id) filter (where r.user_id <> w.user_id) as others, coalesce(sum(r.amount_fen), 0)::bigint as fen,
      count(*) filter (where r.amount_fen >= p_near_fen) as near
    from (
      select m.order_id, m.user_id, m.amount_fen from order_marks m
      where m.device = d.token_hash and m.order_id >= id_floor(v_at - interval '1 day') and m.order_id <> all (p_besides)
      order by m.order_id desc limit 500
    ) r
    join orders s on s.id = r.order_id
    where stands(s.state, s.id)
  ) x on d.token_hash is not null
  left join lateral (
    select
      exists (select from place_days q where q.user_id = w.user_id and q.day < v_today and q.province = w.province)
        or not exists (select from place_days q where q.user_id = w.user_id and q.province <> w.province) as usual,
      (select extract(epoch from v_at - max(q.login_at))::bigint from place_days q
        where q.user_id = w.user_id and q.day >= v_today - 1 and q.login_at is not null
          and not exists (select from place_days b where b.user_id = w.user_id and b.day < q.day and b.province = q.province)
          and exists (select from place_days b where b.user_id = w.user_id and b.at < q.at)) as elsewhere_s,
      exists (select from place_days q where q.user_id = w.user_id and q.day = v_today and q.province = w.province) as noted
  ) l on w.province is not null
  left join lateral (select g.flagged, g.ends_at from payer_flags g where g.payer = w.payer order by g.id desc limit 1) f on w.payer is not null
  left join lateral (
    select coalesce(bool_or(r.user_id = w.user_id), false) as before, count(distinct r.user_id) filter (where r.user_id <> w.user_id) as others,
      coalesce(sum(r.amount_fen) filter (where r.at > v_at - interval '1 day'), 0)::bigint as fen,
      count(*) filter (where r.at > v_at - interval '1 day' and r.amount_fen >= p_near_fen) as near
    from (
      select m.user_id, m.amount_fen, m.at from payer_marks m where m.payer = w.payer and m.at > v_at - interval '30 days'
      order by m.at desc limit 500
    ) r
  ) p on w.payer is not null
  cross join lateral (
    select coalesce(max(r.today_fen), 0)::bigint as used_fen, coalesce(max(r.today_count), 0)::integer as used_count,
      coalesce(max(r.month_fen), 0)::bigint as month_fen
    from (
      select sum(b.used_fen) filter (where b.day = v_today) as today_fen, sum(b.used_count) filter (where b.day = v_today) as today_count,
        sum(b.used_fen) as month_fen
      from unnest(tolerance_keys(w.user_id, w.device, w.payer)) k
      join tolerance_days b on b.key = k and b.day > v_today - 30
      group by k
    ) r
  ) t
  order by w.place;
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

-- The keys under which one wish's tolerance is counted: its account, its browser, its payer.
create function tolerance_keys(p_user bigint, p_device uuid, p_payer bytea) returns bytea[]
language sql stable as $$
  select array_remove(array[
    '\x75'::bytea || int8send(p_user),
    '\x64'::bytea || (select d.token_hash from devices d where d.id = p_device),
    '\x70'::bytea || p_payer
  ], null)
$$;

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
  signals_before(bigint[], uuid[], bytea[], text[], uuid[], bigint, integer, bigint), signals_paid(bigint[], bytea[], bigint),
  tolerance_keys(bigint, uuid, bytea), tolerance_halved(bigint, integer), unfrozen_at(bigint), stands(text, uuid) to daozhang_app;
