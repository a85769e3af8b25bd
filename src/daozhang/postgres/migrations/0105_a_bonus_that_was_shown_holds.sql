-- A bonus that was shown holds when the delay was not the payer's: what the budget cannot hold any more is the shop's own to give.

alter table campaigns add column honoured_fen bigint not null default 0 check (honoured_fen >= 0);
alter table campaigns drop constraint campaign_budget;
alter table campaigns add constraint campaign_budget check (used_fen between 0 and budget_fen + honoured_fen);

-- Promise anew what was returned while its payment, made in time, was on its way and others took the budget; beyond the budget if it
-- must be, and never beyond what one user may get. The orders' users are locked by the caller. Answers the promises that stand again.
create function honour_promises(p_at timestamptz, p_ids uuid[], p_look timestamptz) returns setof bonus_promises
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_promise record;
begin
  perform from campaigns c where c.id in (select p.campaign_id from bonus_promises p where p.id = any (p_ids) and p.state = 'returned')
    order by c.id for no key update;
  for v_promise in
    select * from bonus_promises p where p.id = any (p_ids) and p.state = 'returned' and p.coupon_id is null order by p.id for update
  loop
    update campaigns c set used_fen = c.used_fen + v_promise.bonus_fen,
      honoured_fen = greatest(c.honoured_fen, c.used_fen + v_promise.bonus_fen - c.budget_fen)
    where c.id = v_promise.campaign_id
      and (c.user_fen is null or v_promise.bonus_fen + coalesce((select sum(o.bonus_fen) from bonus_promises o
        where o.campaign_id = c.id and o.user_id = v_promise.user_id and o.state <> 'returned'), 0) <= c.user_fen)
      and (c.user_count is null or (select count(*) from bonus_promises o
        where o.campaign_id = c.id and o.user_id = v_promise.user_id and o.state <> 'returned') < c.user_count);
    if found then
      return query
      update bonus_promises p set state = 'promised', next_look_at = p_look, moved_at = p_at where p.id = v_promise.id returning p.*;
    end if;
  end loop;
end $$;

revoke execute on function honour_promises(timestamptz, uuid[], timestamptz) from public;
grant execute on function honour_promises(timestamptz, uuid[], timestamptz) to daozhang_app;
