-- One function reads what wishes are judged by, whether they are about to be written or not: it was three, each handing fifty columns to the next.

drop function begin_orders(bigint, bigint[], text[], bigint[], text[], text[], text[], uuid[], bytea[], text[], bigint, integer, bigint);
drop function facts_of_wishes(bigint, bigint[], bigint[], uuid[], text[], text[], text[], uuid[], bytea[], text[], bigint, integer, bigint);
drop function read_wishes(bigint, bigint[], bigint[], uuid[], text[], text[], text[], uuid[], bytea[], text[], bigint, integer, bigint);

-- The only reader, however many wishes. With `p_keys`, one for each, they are about to be written.
-- Then first, in a statement before anything is locked or read: a lock for each browser and payer, in the order of their numbers, so that two
-- batches never wait for each other. Who waits there holds nothing. An order that shares one with an earlier one of the same call is left for
-- a later transaction: nothing is read of it, and no row answers it. `asked` is the place of a row's wish in the call. Whoever has used a key
-- before is told what it stands for; keys are claimed under the lock of their user, so what is not there is free until this transaction ends.
-- Orders of `p_besides` are there already, and are left out of every sum.
-- Who ordered nothing within a week, from a browser that nobody ordered from within a day, is asked only whether there is anything.
-- Rows come in no order: each says its place.
create function read_wishes(
  p_shop bigint, p_users bigint[], p_keys text[], p_channels bigint[], p_besides uuid[], p_methods text[], p_banks text[],
  p_instruments text[], p_devices uuid[], p_payers bytea[], p_provinces text[], p_large_fen bigint, p_window_s integer, p_near_fen bigint
) returns setof begun_orders
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_later bigint[];
  v_kept bigint[];
  b record;
  v_limits text[];
begin
  if p_keys is not null then
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
  end if;
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
  select k.request_hash, k.order_id, coalesce(v_kept[w.place], w.place), w.place, b.rules,
    case when b.rules <> '[]' then region_of_user(w.user_id) end, b.at,
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
  ) t
  left join lateral (
    select i.request_hash, i.order_id from idempotency_keys i
    where i.shop_id = p_shop and i.user_id = w.user_id and i.key = p_keys[w.place] limit 1
  ) k on true;
end $$;
grant execute on function read_wishes(bigint, bigint[], text[], bigint[], uuid[], text[], text[], text[], uuid[], bytea[], text[], bigint, integer,
  bigint) to daozhang_app;
