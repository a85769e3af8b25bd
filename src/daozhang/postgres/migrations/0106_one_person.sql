-- Where a shop has one person, what takes two takes that one and a day: payouts by hand (bounded), lifting a freeze, ending a payment.

-- `alone`: who approved it had proposed it, and nobody else could have. Whether that is so the program counts; the day and the sum hold here.
alter table payouts add column alone boolean not null default false;
alter table payouts drop constraint payouts_need_two;
alter table payouts add constraint payouts_need_two check (state in ('proposed', 'rejected') or alone or decided_by <> proposed_by);
alter table payouts add constraint payouts_alone_wait check (not alone or moved_at >= created_at + interval '24 hours');
create index on payouts (shop_id, moved_at) where alone;

create function paid_alone(p_shop bigint, p_since timestamptz) returns bigint
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce(sum(p.amount_fen), 0)::bigint
  from payouts p join payout_moves m on m.payout_id = p.id and m.move = 'approved' and m.at > p_since
  where p.shop_id = p_shop and p.alone and p.moved_at > p_since and p.state in ('approved', 'paid', 'bounced')
$$;

drop function move_payout(timestamptz, text, uuid, text, text, text, text, text);
create function move_payout(
  p_at timestamptz, p_actor text, p_id uuid, p_from text, p_move text, p_to text, p_reason text, p_reference text, p_alone boolean
) returns setof payouts
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_payout payouts;
begin
  if p_alone then
    -- One after the other, else two of them would each find the room that only one has.
    select p.* into v_payout from payouts p where p.id = p_id;
    perform from shops s where s.id = v_payout.shop_id for no key update;
    if p_move <> 'approved' or v_payout.amount_fen + paid_alone(v_payout.shop_id, p_at - interval '24 hours') > 500000 then
      raise exception 'payout % is too much for one person', p_id using errcode = 'check_violation', constraint = 'payouts_alone_sum';
    end if;
  end if;
  return query
  with moved as (
    update payouts p set state = p_to, version = p.version + 1, moved_at = p_at, alone = p.alone or p_alone,
      decided_by = case when p_move in ('approved', 'rejected') then p_actor else p.decided_by end,
      reference = coalesce(p_reference, p.reference)
    where p.id = p_id and p.state = p_from
    returning p.*
  ), logged as (
    insert into payout_moves (payout_id, version, from_state, move, to_state, actor, reason, at)
    select m.id, m.version, p_from, p_move, p_to, p_actor, coalesce(p_reason, ''), p_at from moved m
  )
  select * from moved;
end $$;
grant execute on function move_payout(timestamptz, text, uuid, text, text, text, text, text, boolean),
  paid_alone(bigint, timestamptz) to daozhang_app;

-- Neither of these moves money: what was frozen is held again and decided as ever, and money that comes after all is late money.
alter table order_freezes drop constraint freezes_need_two;
alter table order_freezes add constraint freezes_need_two check (lifted_by is null
  or coalesce(lifted_by = 'program' and until_at <= lifted_at, false)
  or coalesce(lifted_by <> 'program' and (lifted_by <> lift_asked_by or lifted_at >= lift_asked_at + interval '24 hours'), false));
alter table hand_endings drop constraint hand_endings_need_two;
alter table hand_endings add constraint hand_endings_need_two check (done_by is null or not charged or done_by <> asked_by
  or done_at >= asked_at + interval '24 hours');
