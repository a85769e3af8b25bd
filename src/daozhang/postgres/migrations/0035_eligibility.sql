-- What eligibility judges by, in one call under the users' locks: name, age, whether they bought before, and what they have stored here.

-- `age` is told by the verified number only: unverified, adult, from_16, from_8 or below_8. `stored_fen` is everything that the user has here
-- (cash, bonus, set aside, under review) and what open recharges will add; an order lives for minutes, so that a week back finds them
-- all. `month_fen` is what a minor's other orders of this month add up to, and 0 for everybody else.
create function eligibility_of(p_users bigint[], p_besides uuid[]) returns table (
  user_id bigint, verified boolean, age text, bought boolean, stored_fen bigint, month_fen bigint, month_ends_at timestamptz
)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_now timestamptz := clock_now();
  v_today date := business_day(v_now);
  v_open uuid := id_from(v_now - interval '7 days');
  v_month timestamptz := date_trunc('month', v_today::timestamp) at time zone 'Asia/Shanghai';
  v_next timestamptz := (date_trunc('month', v_today::timestamp) + interval '1 month') at time zone 'Asia/Shanghai';
  v_since uuid := id_from(v_month);
begin
  return query
  select i.id, i.verification in ('identity', 'face'),
    case
      when i.verification not in ('identity', 'face') then 'unverified'
      when n.adult_on is null or n.adult_on <= v_today then 'adult'
      when n.adult_on <= (v_today + interval '2 years')::date then 'from_16'
      when n.adult_on <= (v_today + interval '10 years')::date then 'from_8'
      else 'below_8'
    end,
    exists (select from purchases p where p.user_id = i.id and p.shop_id = i.shop_id and p.state = 'delivered'),
    ((select coalesce(sum(a.balance_fen), 0) from accounts a where a.shop_id = i.shop_id and a.address = any (array[
        'user:' || i.id || ':cash', 'user:' || i.id || ':bonus', 'user:' || i.id || ':reserved', 'user:' || i.id || ':review']))
      + (select coalesce(sum(o.amount_fen), 0) from orders o where o.user_id = i.id and o.id >= v_open and o.id <> all (p_besides)
        and o.purpose = 'wallet' and o.state in ('created', 'awaiting_payment', 'closing')))::bigint,
    case when n.adult_on > v_today then (
      select coalesce(sum(o.amount_fen), 0)::bigint from orders o where o.user_id = i.id and o.id >= v_since and o.id <> all (p_besides)
        and o.state not in ('refused', 'abandoned', 'failed', 'expired', 'cancelled', 'refunded')
    ) else 0 end,
    v_next
  from (select distinct u.id from unnest(p_users) as u (id)) u
  join users i on i.id = u.id
  left join lateral (select v.adult_on from verifications v where v.user_id = i.id and v.tier = 'identity' limit 1) n on true;
end $$;

grant execute on function eligibility_of(bigint[], uuid[]) to daozhang_app;
