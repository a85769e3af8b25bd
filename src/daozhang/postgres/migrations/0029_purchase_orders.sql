-- An order may recharge the channel's part of a purchase: it says so from its birth, and its goods are handed over in the commit that credits it.

create function create_orders(
  p_shop bigint, p_at timestamptz, p_ids uuid[], p_users bigint[], p_amounts bigint[], p_channels bigint[], p_methods text[],
  p_pages text[], p_ips text[], p_locales text[], p_expires timestamptz[], p_purposes text[]
) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into orders (id, shop_id, user_id, purpose, state, version, amount_fen, currency, channel_id, method, page_version, client_ip,
    locale, created_at, expires_at, moved_at)
  select u.id, p_shop, u.user_id, u.purpose, 'created', 0, u.amount_fen, 'CNY', u.channel_id, u.method, u.page, u.ip, u.locale, p_at,
    u.expires_at, p_at
  from unnest(p_ids, p_users, p_amounts, p_channels, p_methods, p_pages, p_ips, p_locales, p_expires, p_purposes)
    as u (id, user_id, amount_fen, channel_id, method, page, ip, locale, expires_at, purpose);
end $$;
drop function create_orders(bigint, timestamptz, uuid[], bigint[], bigint[], bigint[], text[], text[], text[], text[], timestamptz[]);

grant execute on function
  create_orders(bigint, timestamptz, uuid[], bigint[], bigint[], bigint[], text[], text[], text[], text[], timestamptz[], text[])
  to daozhang_app;

-- Whether so many pieces can be set aside by this transaction: locks them, so that nobody else takes them before it does.
create function stock_there(p_shop bigint, p_goods bigint, p_count integer) returns boolean
language sql security definer set search_path = public, pg_temp as $$
  select count(*) >= p_count from (
    select s.id from stock s where s.shop_id = p_shop and s.goods_id = p_goods and s.state = 'available'
    order by s.id limit p_count for update skip locked
  ) free
$$;
grant execute on function stock_there(bigint, bigint, integer) to daozhang_app;
