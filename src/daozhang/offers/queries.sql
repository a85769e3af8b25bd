-- name: lock_offers
select lock_offers($1, $2, $3)

-- name: offers_seen
-- How each chosen campaign and coupon stands. A coupon that a dead order reserves is free for the next one.
select clock_now() as at, c.id as campaign_id, c.state, c.begins_at, c.ends_at, c.tier_from_fen, c.tier_bonus_fen, c.budget_fen, c.used_fen,
  c.user_fen, c.user_count, c.stacks, u.used_fen as user_used_fen, u.used_count as user_used_count,
  (select coalesce(sum(p.bonus_fen), 0)::bigint from bonus_promises p
    where p.user_id = w.user_id and p.state = 'promised') as user_promised_fen,
  k.id as coupon_id, k.user_id as coupon_user_id, k.state as coupon_state, k.expires_at as coupon_expires_at,
  k.state = 'reserved' and not order_is_dead(k.order_id) as coupon_busy,
  kc.id as coupon_campaign_id, kc.tier_from_fen[1] as coupon_from_fen, kc.tier_bonus_fen[1] as coupon_bonus_fen, kc.stacks as coupon_stacks,
  kc.user_fen as coupon_user_fen, kc.user_count as coupon_user_count, ku.used_fen as coupon_user_used_fen,
  ku.used_count as coupon_user_used_count
from unnest($2::bigint[], $3::bigint[], $4::bytea[]) with ordinality as w (user_id, campaign_id, code_hash, place)
left join campaigns c on c.id = w.campaign_id and c.shop_id = $1 and c.form = 'bonus'
left join coupons k on k.shop_id = $1 and k.code_hash = w.code_hash
left join campaigns kc on kc.id = k.campaign_id
left join lateral (
  select coalesce(sum(p.bonus_fen), 0)::bigint as used_fen, count(*) as used_count
  from bonus_promises p where p.campaign_id = c.id and p.user_id = w.user_id and p.state <> 'returned'
) u on true
left join lateral (
  select coalesce(sum(p.bonus_fen), 0)::bigint as used_fen, count(*) as used_count
  from bonus_promises p where p.campaign_id = kc.id and p.user_id = w.user_id and p.state <> 'returned'
) ku on true
order by w.place

-- name: promise_bonus
select promise_bonus($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: renew_promises
select id, order_id from renew_promises($1, $2, $3, $4)

-- name: honour_promises
select id, order_id, user_id, bonus_fen, campaign_id from honour_promises($1, $2, $3)

-- name: end_promises
select end_promises($1, $2)

-- name: promises_of
select p.id, p.order_id, p.user_id, p.bonus_fen, p.state, p.until_at, c.state = 'running' and clock_now() < c.ends_at as runs
from bonus_promises p join campaigns c on c.id = p.campaign_id
where p.order_id = any ($1) and p.state <> 'granted' order by p.id

-- name: grant_promises
select id, order_id, user_id, bonus_fen from grant_promises($1, $2) order by id

-- name: due_promises
select p.id, p.order_id, p.user_id from bonus_promises p where p.next_look_at <= $1 order by p.next_look_at limit $2 for update skip locked

-- name: postpone_promise
update bonus_promises set next_look_at = $2 where id = $1 and state = 'promised'

-- name: promised_order
select p.until_at, f.state, order_is_dead(p.order_id) as dead
from bonus_promises p left join recharge_facts f on f.order_id = p.order_id where p.id = $1 and p.state = 'promised'

-- name: granted_of_order
select p.id, p.shop_id, p.user_id, p.paid_fen, p.bonus_fen,
  coalesce((select sum(t.due_fen) from bonus_takings t where t.promise_id = p.id and t.state in ('waiting', 'taken')), 0)::bigint as due_fen
from bonus_promises p where p.order_id = $1 and p.state = 'granted' order by p.id

-- name: balance_of
select balance_fen from accounts where shop_id = $1 and address = $2

-- name: begin_taking
select begin_taking($1, $2, $3, $4, $5, $6)

-- name: end_takings
select promise_id, hold_id, amount_fen from end_takings($1, $2, $3)

-- name: restore_takings
select t.promise_id, t.hold_id, t.amount_fen, p.user_id
from restore_takings($1, $2) t join bonus_promises p on p.id = t.promise_id where t.amount_fen > 0

-- name: running
select c.id as campaign_id, c.name_zh, c.name_en, c.tier_from_fen, c.tier_bonus_fen, c.ends_at, c.budget_fen, c.used_fen, c.user_fen,
  c.user_count, c.stacks, u.used_fen as user_used_fen, u.used_count as user_used_count
from campaigns c
left join lateral (
  select coalesce(sum(p.bonus_fen), 0)::bigint as used_fen, count(*) as used_count
  from bonus_promises p where p.campaign_id = c.id and p.user_id = $2 and p.state <> 'returned'
) u on true
where c.shop_id = $1 and c.form = 'bonus' and c.state = 'running' and c.begins_at <= clock_now() and clock_now() < c.ends_at
  and c.used_fen + c.tier_bonus_fen[1] <= c.budget_fen
order by c.id limit $3

-- name: own_coupons
select k.id, c.name_zh, c.name_en, c.tier_from_fen[1] as from_fen, c.tier_bonus_fen[1] as bonus_fen, k.expires_at
from coupons k join campaigns c on c.id = k.campaign_id
where k.shop_id = $1 and k.user_id = $2 and k.expires_at > clock_now() and k.state <> 'used'
  and (k.state = 'issued' or order_is_dead(k.order_id))
order by k.expires_at, k.id limit $3

-- name: coupons_run
select exists (
  select from campaigns c where c.shop_id = $1 and c.form = 'coupon' and c.state = 'running' and c.begins_at <= clock_now()
    and clock_now() < c.ends_at)

-- name: given
select c.name_zh, c.name_en, p.bonus_fen, p.taken_fen, p.state, p.coupon_id is not null as coupon
from bonus_promises p join campaigns c on c.id = p.campaign_id where p.order_id = $1 and p.state <> 'returned' order by p.id

-- name: propose_campaign
select propose_campaign($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)

-- name: lock_campaign
select form, state, proposed_by, proposed_at, budget_fen, used_fen, ends_at from lock_campaign($1, $2)

-- name: approve_campaign
select approve_campaign($1, $2, $3, $4)

-- name: stop_campaign
select stop_campaign($1, $2, $3, $4, $5)

-- name: issue_coupons
select issue_coupons($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: campaigns
select c.id, c.form, c.name_zh, c.name_en, c.state, c.begins_at, c.ends_at, c.tier_from_fen, c.tier_bonus_fen, c.budget_fen, c.used_fen,
  c.user_fen, c.user_count, c.stacks, c.proposed_by, c.proposed_at, c.approved_by, c.stopped_by, c.why,
  (select count(*) from bonus_promises p where p.campaign_id = c.id and p.state <> 'returned') as orders_count,
  (select coalesce(sum(p.bonus_fen - p.taken_fen), 0)::bigint from bonus_promises p where p.campaign_id = c.id and p.state = 'granted')
    as granted_fen,
  (select count(*) from coupons k where k.campaign_id = c.id) as coupons_count,
  (select count(*) from coupons k where k.campaign_id = c.id and k.state = 'used') as coupons_used_count
from campaigns c where c.shop_id = $1 order by c.id desc limit $2
