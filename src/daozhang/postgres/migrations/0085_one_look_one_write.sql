-- An order costs what its statements cost to begin: it is read, locked and written by one function, and kept by one statement.

-- All that `policy/facts.py` reads before money moves, for one wish: `place` is the wish's, from one. The columns mean what they meant in
-- `facts_of_wishes` (0081).
create type wish_facts as (
  place bigint, region_rules text, region text, at timestamptz, standing text, standing_why text, standing_until timestamptz,
  standing_review_at timestamptz, locked_until timestamptz, channel_enabled boolean, kind text, methods text[], no_credit boolean,
  admitted_fen bigint, recent_fen bigint[], day_ends_at timestamptz, verified boolean, age text, bought boolean, stored_fen bigint,
  minor_fen bigint, month_ends_at timestamptz, open_count integer, agreement_version integer, agreement_kept boolean,
  database_writes boolean, limits text, user_age_s bigint, verification text, unfrozen_s bigint, large_count bigint, hour_count bigint,
  day_count bigint, day_fen bigint, device_s bigint, device_others bigint, device_fen bigint, device_near bigint, device_failures bigint,
  usual boolean, elsewhere_s bigint, flagged boolean, payer_before boolean, payer_others bigint, payer_fen bigint, payer_near bigint,
  payer_failures bigint, used_fen bigint, used_count integer, month_fen bigint, lost boolean, pass_fen bigint, browser bytea
);

-- What few wishes need is a function of its own, called for those alone: a query that could also look for it costs everybody that much.

-- The orders of a day from one browser that stand: other users, sum, just below the largest amount; and the payments of the last hour that
-- the payer's own bank or account refused.
create function windows_of_device(p_user bigint, p_marks uuid[], p_from_day uuid, p_from_hour uuid, p_until uuid, p_near_fen bigint)
returns bigint[]
language plpgsql stable set search_path = public, pg_temp as $$
declare
  v_counts bigint[];
begin
  select array[count(distinct s.user_id) filter (where s.user_id <> p_user), coalesce(sum(s.amount_fen), 0),
    count(*) filter (where s.amount_fen >= p_near_fen)]
  into v_counts
  from unnest(p_marks) u (id)
  cross join lateral (select * from orders o where o.id = u.id and o.id >= p_from_day and o.id < p_until limit 1) s
  where stands(s.state, s.id);
  return v_counts || failures_of_orders(
    array(select m.id from unnest(p_marks) with ordinality m (id, place) where m.id >= p_from_hour order by m.place limit 200), p_from_hour, p_until);
end $$;

-- A look at the orders of one user in a stretch of time has two indexes to go by, and while a month is young they cost the same: the plan of
-- one that walked over all orders of the week was kept until the month was counted. Written as a stretch of users that holds one, with
-- the order of (user, order), there is one index that needs no sorting. The same holds for a browser, a payer, and the attempts of an order.

create function failures_of_orders(p_orders uuid[], p_from uuid, p_until uuid) returns bigint
language plpgsql stable set search_path = public, pg_temp as $$
begin
  if p_orders = '{}' then
    return 0;
  end if;
  return (
    select count(*) from unnest(p_orders) u (id)
    cross join lateral (
      select a.reason from attempts a
      where a.order_id >= u.id and a.order_id <= u.id and a.id >= u.id and a.id >= p_from and a.id < p_until order by a.order_id limit 20) a
    where a.reason in ('account.payer_abnormal', 'account.payer_balance_short', 'account.payer_card_failed'));
end $$;

-- Whether a province is usual for a user (1 or 0), and the seconds since a log-in from one that was not; null is never.
create function signs_of_place(p_user bigint, p_province text, p_at timestamptz, p_today date) returns bigint[]
language plpgsql stable set search_path = public, pg_temp as $$
begin
  return array[
    (exists (select from place_days q where q.user_id = p_user and q.day < p_today and q.province = p_province)
      or not exists (select from place_days q where q.user_id = p_user and q.province <> p_province))::integer,
    (select extract(epoch from p_at - max(q.login_at))::bigint from place_days q
      where q.user_id = p_user and q.day >= p_today - 1 and q.login_at is not null
        and not exists (select from place_days b where b.user_id = p_user and b.day < q.day and b.province = q.province)
        and exists (select from place_days b where b.user_id = p_user and b.at < q.at))];
end $$;

-- Of a payer who is known beforehand: flagged and known to this user (1 or 0), other users, sum, near the largest amount, failures.
create function signs_of_payer(p_user bigint, p_payer bytea, p_near_fen bigint, p_from_hour uuid, p_until uuid) returns bigint[]
language plpgsql stable set search_path = public, pg_temp as $$
declare
  v_signs bigint[];
begin
  select array[p.flagged::integer, p.payer_before::integer, p.payer_others, p.payer_fen, p.payer_near] into v_signs
  from signals_paid(array[p_user], array[p_payer], p_near_fen) p;
  return v_signs || failures_of_orders(array(
    select m.order_id from order_marks m
    where m.payer >= p_payer and m.payer <= p_payer and m.order_id >= p_from_hour and m.order_id < p_until
    order by m.payer desc, m.order_id desc limit 200), p_from_hour, p_until);
end $$;

-- What a minor's orders of the month add up to.
create function month_of_minor(p_user bigint, p_from uuid, p_until uuid, p_besides uuid[]) returns bigint
language plpgsql stable set search_path = public, pg_temp as $$
begin
  return (
    select coalesce(sum(q.amount_fen), 0)
    from (
      select o.amount_fen from orders o
      where o.user_id >= p_user and o.user_id <= p_user and o.id >= p_from and o.id < p_until and o.id <> all (p_besides)
        and o.state not in ('refused', 'abandoned', 'failed', 'expired', 'cancelled', 'refunded')
      order by o.user_id, o.id offset 0
    ) q);
end $$;

-- The credited recharges before an order, newest first.
create function recharges_before(p_shop bigint, p_user bigint, p_before uuid, p_most integer) returns bigint[]
language plpgsql stable set search_path = public, pg_temp as $$
begin
  return array(
    select o.amount_fen from orders o
    where o.user_id >= p_user and o.user_id <= p_user and o.id < p_before and o.shop_id = p_shop and o.state = 'credited'
    order by o.user_id desc, o.id desc limit p_most);
end $$;

-- The orders of a week of one user: today's sum, the open ones' sum and count, the large ones in their window, the last hour's, the last day's
-- count and sum, and then the credited amounts, newest first, at most eight.
create function windows_of_user(
  p_shop bigint, p_user bigint, p_at timestamptz, p_from_today uuid, p_from_day uuid, p_from_week uuid, p_until uuid, p_large_fen bigint,
  p_window_s integer, p_besides uuid[]
) returns bigint[]
language plpgsql stable set search_path = public, pg_temp as $$
begin
  return (
    select array[
      coalesce(sum(q.amount_fen) filter (where q.id >= p_from_today
        and q.state not in ('refused', 'abandoned', 'failed', 'expired', 'cancelled', 'refunded')), 0)::bigint,
      coalesce(sum(q.amount_fen) filter (where q.purpose = 'wallet' and q.state in ('created', 'awaiting_payment', 'closing')), 0)::bigint,
      count(*) filter (where q.state in ('created', 'awaiting_payment', 'closing', 'challenged')),
      count(*) filter (where q.counts and q.amount_fen >= p_large_fen and q.created_at > p_at - make_interval(secs => p_window_s)),
      count(*) filter (where q.counts and q.created_at > p_at - interval '1 hour'),
      count(*) filter (where q.counts),
      coalesce(sum(q.amount_fen) filter (where q.counts), 0)::bigint
    ] || coalesce((array_agg(q.amount_fen order by q.id desc) filter (where q.state = 'credited' and q.shop_id = p_shop))[1:8], '{}')
    from (
      select x.id, x.shop_id, x.purpose, x.state, x.amount_fen, x.created_at, x.id >= p_from_day and stands(x.state, x.id) as counts
      from orders x
      where x.user_id >= p_user and x.user_id <= p_user and x.id >= p_from_week and x.id < p_until and x.id <> all (p_besides)
      order by x.user_id, x.id offset 0
    ) q);
end $$;

-- What `windows_of_device` counts, of the newest five hundred orders of a day from one browser.
create function windows_of_browser(
  p_user bigint, p_browser bytea, p_from_day uuid, p_from_hour uuid, p_until uuid, p_near_fen bigint, p_besides uuid[]
) returns bigint[]
language plpgsql stable set search_path = public, pg_temp as $$
begin
  return windows_of_device(p_user, array(
    select m.order_id from order_marks m
    where m.device >= p_browser and m.device <= p_browser and m.order_id >= p_from_day and m.order_id < p_until
      and m.order_id <> all (p_besides)
    order by m.device desc, m.order_id desc limit 500), p_from_day, p_from_hour, p_until, p_near_fen);
end $$;

-- What is used up of tolerance under any of the keys: today's sum and count, and thirty days' sum, each the most that one key has.
create function used_of_tolerance(p_keys bytea[], p_today date) returns bigint[]
language plpgsql stable set search_path = public, pg_temp as $$
begin
  return (
    select array[max(r.today_fen), max(r.today_count), max(r.month)]
    from (
      select sum(y.used_fen) filter (where y.day = p_today)::bigint as today_fen,
        sum(y.used_count) filter (where y.day = p_today) as today_count, sum(y.used_fen)::bigint as month
      from tolerance_days y where y.key = any (p_keys) and y.day > p_today - 30
      group by y.key
    ) r);
end $$;

-- The only reader: two statements, however many wishes. It has no settings of its own, because setting them costs; its two callers have them.
-- Who ordered nothing within a week, from a browser that nobody ordered from within a day, is asked only whether there is anything.
-- Rows come in no order: each says its place.
create function read_wishes(
  p_shop bigint, p_users bigint[], p_channels bigint[], p_besides uuid[], p_methods text[], p_banks text[], p_instruments text[],
  p_devices uuid[], p_payers bytea[], p_provinces text[], p_large_fen bigint, p_window_s integer, p_near_fen bigint
) returns setof wish_facts
language plpgsql stable as $$
declare
  b record;
  v_limits text[];
begin
  -- What is the same for all. The bounds of identifiers are milliseconds and then nothing, as in `id_from`.
  select m.*,
    (lpad(to_hex(m.day_ms), 12, '0') || '00000000000000000000')::uuid as from_today,
    (lpad(to_hex(m.at_ms - 3600000), 12, '0') || '00000000000000000000')::uuid as from_hour,
    (lpad(to_hex(m.at_ms - 86400000), 12, '0') || '00000000000000000000')::uuid as from_day,
    (lpad(to_hex(m.at_ms - 604800000), 12, '0') || '00000000000000000000')::uuid as from_week,
    (lpad(to_hex(m.at_ms + 86400000), 12, '0') || '00000000000000000000')::uuid as until,
    m.at - interval '168 hours' as week,
    not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off' as writes,
    exists (
      select from limits l where l.shop_id = p_shop and l.valid_from <= m.at and (l.valid_until is null or l.valid_until > m.at)) as limited,
    case when exists (select from region_rules r where r.shop_id = p_shop and r.ended_at is null) then regulation_now(p_shop)::text else '[]' end
      as rules,
    coalesce((select max(a.version) from agreements a where a.shop_id = p_shop and a.from_at <= m.at), 0) as agreement
  into b
  from (
    select n.at, n.today, n.month, floor(extract(epoch from n.at) * 1000)::bigint as at_ms,
      (extract(epoch from n.today::timestamp at time zone 'Asia/Shanghai') * 1000)::bigint as day_ms
    from (
      select s.at, (s.at at time zone 'Asia/Shanghai')::date as today, date_trunc('month', s.at at time zone 'Asia/Shanghai') as month
      from (select clock_timestamp() + make_interval(secs => c.offset_s) as at from clock_offset c offset 0) s
      offset 0
    ) n
    offset 0
  ) m;
  if b.limited then
    select array_agg(h.limits order by w.place) into v_limits
    from generate_series(1, cardinality(p_users)) as w (place)
    left join (
      select f.place, json_agg(f order by f.limit_id)::text as limits
      from limits_in_force(array_fill(p_shop, array[cardinality(p_users)]), p_users, p_channels, p_methods, p_banks, p_instruments, p_besides) f
      group by f.place
    ) h on h.place = w.place;
  end if;

  return query
  select w.place, b.rules, case when b.rules <> '[]' then region_of_user(w.user_id) end, b.at,
    case when u.own then case when u.over then 'active' else u.standing end end,
    case when u.own and not u.over then u.standing_why end, case when u.own then u.standing_until end,
    case when u.own then u.standing_review_at end, case when u.own then u.locked_until end,
    case when w.channel_id is not null then coalesce(c.enabled and c.keyed, false) end, c.kind,
    case when w.channel_id is not null then coalesce(c.methods, '{}') end,
    case when w.channel_id is not null then coalesce(c.no_credit, false) end,
    coalesce(w.counts[1], 0),
    case when coalesce(cardinality(w.counts), 7) < 15 and (u.created_at is null or u.created_at < b.week)
      then coalesce(w.counts[8:], '{}')
        || recharges_before(p_shop, w.user_id, b.from_week, 15 - coalesce(cardinality(w.counts), 7))
      else coalesce(w.counts[8:], '{}') end,
    (b.today + 1)::timestamp at time zone 'Asia/Shanghai', u.verified,
    case when u.verified and u.adult_on > b.today then
        case when u.adult_on <= (b.today + interval '2 years')::date then 'from_16'
          when u.adult_on <= (b.today + interval '10 years')::date then 'from_8' else 'below_8' end
      when u.verified then 'adult' when u.created_at is not null then 'unverified' end,
    u.bought, u.balance_fen + coalesce(w.counts[2], 0),
    case when u.adult_on > b.today
        then month_of_minor(w.user_id, id_from(b.month at time zone 'Asia/Shanghai'), b.until, p_besides)
      when u.created_at is not null then 0 end,
    case when u.created_at is not null then (b.month + interval '1 month') at time zone 'Asia/Shanghai' end,
    case when u.created_at is not null then coalesce(w.counts[3], 0)::integer end, b.agreement,
    b.agreement > 0 and exists (
      select from agreement_consents k where k.user_id = w.user_id and k.shop_id = p_shop and k.version = b.agreement),
    b.writes, v_limits[w.place], extract(epoch from b.at - u.created_at)::bigint, u.verification, u.unfrozen_s,
    coalesce(w.counts[4], 0), coalesce(w.counts[5], 0), coalesce(w.counts[6], 0), coalesce(w.counts[7], 0),
    v.device_s, case when v.browser is not null then coalesce(v.counts[1], 0) end,
    case when v.browser is not null then coalesce(v.counts[2], 0) end, case when v.browser is not null then coalesce(v.counts[3], 0) end,
    case when v.browser is not null then coalesce(v.counts[4], 0) end,
    w.place_signs[1] = 1, w.place_signs[2],
    w.payer_signs[1] = 1, w.payer_signs[2] = 1, w.payer_signs[3], w.payer_signs[4], w.payer_signs[5], w.payer_signs[6],
    coalesce(t.used[1], 0), coalesce(t.used[2], 0)::integer, coalesce(t.used[3], 0), coalesce(u.lost, false),
    coalesce(u.pass_fen, 0), v.browser
  from (
    select n.*, case when n.province is not null then signs_of_place(n.user_id, n.province, b.at, b.today) end as place_signs,
      case when n.payer is not null then signs_of_payer(n.user_id, n.payer, p_near_fen, b.from_hour, b.until) end as payer_signs,
      case when (
        select x.id from orders x
        where x.user_id >= n.user_id and x.user_id <= n.user_id and x.id >= b.from_week and x.id < b.until and x.id <> all (p_besides)
        order by x.user_id, x.id limit 1) is not null
      then windows_of_user(p_shop, n.user_id, b.at, b.from_today, b.from_day, b.from_week, b.until, p_large_fen, p_window_s, p_besides)
      end as counts
    from unnest(p_users, p_channels, p_devices, p_payers, p_provinces) with ordinality
      as n (user_id, channel_id, device_id, payer, province, place)
    offset 0
  ) w
  left join lateral (
    select n.enabled, n.kind, n.methods, n.no_credit,
      exists (select from channel_keys k where k.channel_id = n.id and k.retired_at is null) as keyed
    from channels n where n.id = w.channel_id and n.shop_id = p_shop limit 1
  ) c on true
  left join lateral (
    select x.token_hash as browser, extract(epoch from b.at - x.first_seen_at)::bigint as device_s,
      case when (
        select m.order_id from order_marks m
        where m.device >= x.token_hash and m.device <= x.token_hash and m.order_id >= b.from_day and m.order_id < b.until
          and m.order_id <> all (p_besides)
        order by m.device, m.order_id limit 1) is not null
      then windows_of_browser(w.user_id, x.token_hash, b.from_day, b.from_hour, b.until, p_near_fen, p_besides) end as counts
    from devices x where x.id = w.device_id and x.user_id = w.user_id
    offset 0
  ) v on true
  left join lateral (
    select x.created_at, x.shop_id = p_shop as own, x.verification, x.verification in ('identity', 'face') as verified,
      x.standing_review_at, x.standing_until, coalesce(x.standing = 'frozen' and x.standing_until <= b.at, false) as over, x.standing,
      x.standing_why,
      (select y.adult_on from verifications y where y.user_id = x.id and y.tier = 'identity' limit 1) as adult_on,
      extract(epoch from b.at - greatest(
        (select m.at from standing_moves m where m.user_id = x.id and m.from_standing = 'frozen' and m.to_standing = 'active'
          order by m.id desc limit 1),
        case when x.standing = 'frozen' and x.standing_until <= b.at then x.standing_until end))::bigint as unfrozen_s,
      (select max(l.locked_until) from devices e join login_tries l on l.device_id = e.id
        where e.user_id = x.id and l.locked_until > b.at) as locked_until,
      exists (select from purchases p where p.user_id = x.id and p.shop_id = x.shop_id and p.state = 'delivered') as bought,
      (select coalesce(sum(a.balance_fen), 0) from accounts a where a.shop_id = x.shop_id and a.address = any (array[
        'user:' || x.id || ':cash', 'user:' || x.id || ':bonus', 'user:' || x.id || ':reserved', 'user:' || x.id || ':review']))::bigint
        as balance_fen,
      exists (select from policy_losses k where k.user_id = x.id and k.label = 'fraud' and k.at > b.at - interval '90 days') as lost,
      (select max(a.most_fen) from policy_passes a where a.user_id = x.id and a.used_at is null and a.ends_at > b.at) as pass_fen
    from users x where x.id = w.user_id limit 1
  ) u on true
  cross join lateral (
    select case when exists (select from tolerance_days y where y.key = any (k.keys) and y.day > b.today - 30)
      then used_of_tolerance(k.keys, b.today) end as used
    from (
      -- The keys are those of `tolerance_keys`: the account, the browser, the payer.
      select array_remove(array['\x75'::bytea || int8send(w.user_id), '\x64'::bytea || v.browser, '\x70'::bytea || w.payer], null) as keys
      offset 0
    ) k
    offset 0
  ) t;
end $$;

drop function facts_of_wishes(bigint[], bigint[], bigint[], uuid[], text[], text[], text[], uuid[], bytea[], text[], bigint, integer, bigint);

-- The facts of wishes about which nothing is written, or whose orders are there already: those of `p_besides` are left out of every sum.
create function facts_of_wishes(
  p_shop bigint, p_users bigint[], p_channels bigint[], p_besides uuid[], p_methods text[], p_banks text[], p_instruments text[],
  p_devices uuid[], p_payers bytea[], p_provinces text[], p_large_fen bigint, p_window_s integer, p_near_fen bigint
) returns setof wish_facts
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  return query select * from read_wishes(p_shop, p_users, p_channels, p_besides, p_methods, p_banks, p_instruments, p_devices, p_payers,
    p_provinces, p_large_fen, p_window_s, p_near_fen);
end $$;
grant execute on function facts_of_wishes(bigint, bigint[], bigint[], uuid[], text[], text[], text[], uuid[], bytea[], text[], bigint, integer,
  bigint) to daozhang_app;

drop function begin_orders(bigint, timestamptz, uuid[], bigint[], text[], bytea[], bigint[], bigint[], text[], text[], text[], text[],
  timestamptz, text[]);

-- First, in a statement before anything is locked or read: a lock for each browser and payer, in the order of their numbers, so that two
-- batches never wait for each other. Who waits there holds nothing. An order that shares one with an earlier one of the same call is left for
-- a later transaction: nothing is written of it, and no row answers it. `asked` is the place of a row's wish in the call.
create function begin_orders(
  p_shop bigint, p_at timestamptz, p_ids uuid[], p_users bigint[], p_keys text[], p_hashes bytea[], p_amounts bigint[], p_channels bigint[],
  p_methods text[], p_pages text[], p_ips text[], p_locales text[], p_expires timestamptz, p_purposes text[], p_banks text[],
  p_instruments text[], p_devices uuid[], p_payers bytea[], p_provinces text[], p_large_fen bigint, p_window_s integer, p_near_fen bigint
) returns table (request_hash bytea, order_id uuid, asked bigint, facts wish_facts)
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
    select array_agg(u.place order by u.place), array_agg(u.id order by u.place), array_agg(u.user_id order by u.place),
      array_agg(u.key order by u.place), array_agg(u.hash order by u.place), array_agg(u.amount order by u.place),
      array_agg(u.channel order by u.place), array_agg(u.method order by u.place), array_agg(u.page order by u.place),
      array_agg(u.ip order by u.place), array_agg(u.locale order by u.place), array_agg(u.purpose order by u.place),
      array_agg(u.bank order by u.place), array_agg(u.instrument order by u.place), array_agg(u.device order by u.place),
      array_agg(u.payer order by u.place), array_agg(u.province order by u.place)
    into v_kept, p_ids, p_users, p_keys, p_hashes, p_amounts, p_channels, p_methods, p_pages, p_ips, p_locales, p_purposes, p_banks,
      p_instruments, p_devices, p_payers, p_provinces
    from unnest(p_ids, p_users, p_keys, p_hashes, p_amounts, p_channels, p_methods, p_pages, p_ips, p_locales, p_purposes, p_banks,
        p_instruments, p_devices, p_payers, p_provinces) with ordinality
      as u (id, user_id, key, hash, amount, channel, method, page, ip, locale, purpose, bank, instrument, device, payer, province, place)
    where u.place <> all (v_later);
  end if;
  perform from unnest(p_users) as w (id) join users u on u.id = w.id order by u.id for no key update of u;
  return query
  with sent as materialized (
    select * from unnest(p_ids, p_users, p_keys, p_hashes, p_amounts, p_channels, p_methods, p_pages, p_ips, p_locales, p_purposes)
      with ordinality as u (id, user_id, key, hash, amount_fen, channel_id, method, page, ip, locale, purpose, place)
  ), claimed as (
    insert into idempotency_keys as k (shop_id, user_id, key, request_hash, order_id, created_at)
    select p_shop, s.user_id, s.key, s.hash, s.id, p_at from sent s order by s.user_id, s.key
    on conflict (shop_id, user_id, key) do update set seen = k.seen + 1
    returning k.user_id, k.request_hash, k.order_id
  ), made as (
    insert into orders (id, shop_id, user_id, purpose, state, version, amount_fen, currency, channel_id, method, page_version, client_ip,
      locale, created_at, expires_at, moved_at)
    select s.id, p_shop, s.user_id, s.purpose, 'created', 0, s.amount_fen, 'CNY', s.channel_id, s.method, s.page, s.ip, s.locale, p_at,
      p_expires, p_at
    from claimed c join sent s on s.user_id = c.user_id where s.id = c.order_id
  )
  select c.request_hash, c.order_id, coalesce(v_kept[f.place], f.place), f
  from read_wishes(p_shop, p_users, p_channels, '{}', p_methods, p_banks, p_instruments, p_devices, p_payers, p_provinces, p_large_fen,
    p_window_s, p_near_fen) f
  join sent s on s.place = f.place join claimed c on c.user_id = s.user_id;
end $$;

grant execute on function begin_orders(bigint, timestamptz, uuid[], bigint[], text[], bytea[], bigint[], bigint[], text[], text[], text[], text[],
  timestamptz, text[], text[], text[], uuid[], bytea[], text[], bigint, integer, bigint) to daozhang_app;

drop function keep_orders(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], text[], text[], bytea[],
  integer[], uuid[], bytea[], text[], bigint[], uuid[], text[], text[], timestamptz, uuid[], uuid[], bigint[], bigint[], text[], text[],
  text[], text[], bigint[], text[], bytea[], timestamptz, timestamptz);

-- What becomes of orders that were judged: their decisions, where they came from, the attempts of those that are admitted, and what
-- others may hear of it, in one statement. One moment, shop and book for all; an order without an attempt has null there.
create function keep_orders(
  p_shop bigint, p_judged_at timestamptz, p_book integer, p_ids uuid[], p_orders uuid[], p_users bigint[], p_outcomes text[], p_reasons text[],
  p_facts text[], p_verdicts text[], p_hashes bytea[], p_latencies integer[], p_browsers bytea[], p_payers bytea[], p_provinces text[],
  p_amounts bigint[], p_at timestamptz, p_events uuid[], p_event_kinds text[], p_attempts uuid[], p_channels bigint[], p_kinds text[],
  p_methods text[], p_merchants text[], p_apps text[], p_ips text[], p_openids bytea[], p_expires timestamptz, p_due timestamptz
) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  with judged as materialized (
    select * from unnest(p_ids, p_orders, p_users, p_outcomes, p_reasons, p_facts, p_verdicts, p_hashes, p_latencies, p_browsers, p_payers,
      p_provinces, p_amounts, p_events, p_event_kinds, p_attempts, p_channels, p_kinds, p_methods, p_merchants, p_apps, p_ips, p_openids)
      as u (id, order_id, user_id, outcome, reason, facts, verdicts, hash, latency_us, browser, payer, province, amount_fen, event_id,
        event_kind, attempt_id, channel_id, kind, method, merchant, app, ip, openid)
  ), decided as (
    insert into decisions (id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, hash, latency_us, at)
    select j.id, p_shop, j.user_id, j.order_id, 'place', j.outcome, j.reason, p_book, j.facts::json, j.verdicts::json, j.hash, j.latency_us,
      p_judged_at
    from judged j
  ), marked as (
    insert into order_marks (order_id, shop_id, user_id, device, payer, province, amount_fen, at)
    select j.order_id, p_shop, j.user_id, j.browser, j.payer, j.province, j.amount_fen, p_judged_at
    from judged j where j.browser is not null or j.payer is not null or j.province is not null
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
grant execute on function keep_orders(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], text[], text[], bytea[],
  integer[], bytea[], bytea[], text[], bigint[], timestamptz, uuid[], text[], uuid[], bigint[], text[], text[], text[], text[], text[], bytea[],
  timestamptz, timestamptz) to daozhang_app;
