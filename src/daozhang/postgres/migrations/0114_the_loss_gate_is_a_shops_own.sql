-- The loss gate holds a shop's confirmed losses against what that shop tolerated, not against what every shop of the database did.

create or replace function tolerance_halved(p_shop bigint, p_permille integer) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce((
    select sum(l.amount_fen) from policy_losses l
    where l.shop_id = p_shop and l.label = 'fraud' and l.at > clock_now() - interval '30 days'
  ), 0) * 1000 > p_permille * coalesce((
    -- An account's key is a `u` and its number (`tolerance_keys`); browsers and payers are counted under keys of their own.
    select sum(t.used_fen)
    from tolerance_days t
    join users u on u.id = ('x' || encode(substr(t.key, 2, 8), 'hex'))::bit(64)::bigint and u.shop_id = p_shop
    where t.key >= '\x75' and t.key < '\x76' and t.day > business_day(clock_now()) - 30
  ), 0)
$$;
