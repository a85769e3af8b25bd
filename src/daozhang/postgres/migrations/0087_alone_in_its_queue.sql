-- An order that is alone in its commit takes the queue of its browser and payer here, and no statement of its own for it.

-- As in 0086, and first, in a statement before anything is locked or read: the locks of `lock_origins` (`policy/queries.sql`), by the same numbers
-- in the same order. Many orders have taken theirs before, because those who share one are parted first.
create or replace function begin_orders(
  p_shop bigint, p_at timestamptz, p_ids uuid[], p_users bigint[], p_keys text[], p_hashes bytea[], p_amounts bigint[], p_channels bigint[],
  p_methods text[], p_pages text[], p_ips text[], p_locales text[], p_expires timestamptz, p_purposes text[], p_banks text[],
  p_instruments text[], p_devices uuid[], p_payers bytea[], p_provinces text[], p_large_fen bigint, p_window_s integer, p_near_fen bigint
) returns table (request_hash bytea, order_id uuid, facts wish_facts)
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
begin
  if cardinality(p_ids) = 1 then
    perform pg_advisory_xact_lock(q.number)
    from (
      select hashtextextended(encode(k.key, 'hex'), 0) as number
      from (
        select '\x64'::bytea || d.token_hash as key from devices d where d.id = p_devices[1]
        union all
        select '\x70'::bytea || p_payers[1] where p_payers[1] is not null
      ) k order by number offset 0
    ) q;
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
  select c.request_hash, c.order_id, f
  from read_wishes(p_shop, p_users, p_channels, '{}', p_methods, p_banks, p_instruments, p_devices, p_payers, p_provinces, p_large_fen,
    p_window_s, p_near_fen) f
  join sent s on s.place = f.place join claimed c on c.user_id = s.user_id;
end $$;
