-- Bonuses kept straight: a payout that the bank sends back brings its bonus with it, and what one user may get counts for coupons too.

insert into transfer_kinds (kind, from_kind, to_kind) values ('payout.bonus_restored', 'platform_promotion', 'user_bonus');

alter table bonus_takings drop constraint bonus_takings_state_check;
alter table bonus_takings add constraint bonus_takings_state_check check (state in ('waiting', 'taken', 'given_back', 'restored'));

-- What a payout had taken is the user's again, once: the takings that moved, for the caller to book. One that had found no bonus
-- left moves too, so that the next refund counts it anew.
create function restore_takings(p_at timestamptz, p_refund uuid) returns setof bonus_takings
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  return query
  with moved as (
    update bonus_takings t set state = 'restored', moved_at = p_at where t.refund_id = p_refund and t.state = 'taken' returning t.*
  ), counted as (
    update bonus_promises p set taken_fen = p.taken_fen - m.amount_fen from moved m where p.id = m.promise_id
  )
  select * from moved;
end $$;

revoke execute on function restore_takings(timestamptz, uuid) from public;
grant execute on function restore_takings(timestamptz, uuid) to daozhang_app;

create index on payouts (shop_id, moved_at) where state = 'paid';

-- As before, and a coupon is promised anew only within what its campaign gives one user. The user is locked by the caller.
create or replace function renew_promises(p_at timestamptz, p_orders uuid[], p_until timestamptz, p_look timestamptz) returns setof bonus_promises
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_promise record;
begin
  perform from campaigns c where c.id in (select p.campaign_id from bonus_promises p where p.order_id = any (p_orders) and p.state = 'returned')
    order by c.id for no key update;
  perform from coupons k where k.id in (select p.coupon_id from bonus_promises p where p.order_id = any (p_orders)) order by k.id for no key update;
  for v_promise in select * from bonus_promises p where p.order_id = any (p_orders) and p.state = 'returned' order by p.id for update loop
    if v_promise.coupon_id is null then
      update campaigns c set used_fen = c.used_fen + v_promise.bonus_fen
      where c.id = v_promise.campaign_id and c.used_fen + v_promise.bonus_fen <= c.budget_fen
        and (c.user_fen is null or v_promise.bonus_fen + coalesce((select sum(o.bonus_fen) from bonus_promises o
          where o.campaign_id = c.id and o.user_id = v_promise.user_id and o.state <> 'returned'), 0) <= c.user_fen)
        and (c.user_count is null or (select count(*) from bonus_promises o
          where o.campaign_id = c.id and o.user_id = v_promise.user_id and o.state <> 'returned') < c.user_count);
    else
      update coupons k set state = 'reserved', order_id = v_promise.order_id, moved_at = p_at
      from campaigns c
      where k.id = v_promise.coupon_id and k.state = 'issued' and c.id = v_promise.campaign_id
        and (c.user_fen is null or v_promise.bonus_fen + coalesce((select sum(o.bonus_fen) from bonus_promises o
          where o.campaign_id = c.id and o.user_id = v_promise.user_id and o.state <> 'returned'), 0) <= c.user_fen)
        and (c.user_count is null or (select count(*) from bonus_promises o
          where o.campaign_id = c.id and o.user_id = v_promise.user_id and o.state <> 'returned') < c.user_count);
    end if;
    if found then
      update bonus_promises set state = 'promised', next_look_at = p_look, until_at = coalesce(p_until, until_at), moved_at = p_at
      where id = v_promise.id;
    end if;
  end loop;
  update bonus_promises set until_at = greatest(until_at, p_until) where order_id = any (p_orders) and state = 'promised' and p_until is not null;
  return query select * from bonus_promises p where p.order_id = any (p_orders) and p.state = 'promised' order by p.id;
end $$;
