-- name: add_good
insert into goods (shop_id, class, name, price_fen, source, on_sale, name_en, about_zh, about_en, alarm_below, delivery, sku, target,
  target_pattern, created_at, changed_at)
select $1, c.class, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15 from goods_classes c where c.class = $2
on conflict (shop_id, name) do nothing returning id

-- name: set_sale
update goods set on_sale = $3, changed_at = $4 where shop_id = $1 and id = $2 returning id

-- name: set_price
update goods set price_fen = $3, changed_at = $4 where shop_id = $1 and id = $2 returning id

-- name: set_alarm
update goods set alarm_below = $3, changed_at = $4 where shop_id = $1 and id = $2 returning id

-- name: shelf
select g.id, g.shop_id, g.class as goods_class, g.name, g.price_fen, g.source, g.on_sale,
  case when g.delivery = 'cards' then
    (select count(*) from stock s where s.goods_id = g.id and s.state = 'available')::integer end as left_count,
  g.name_en, g.about_zh, g.about_en, g.alarm_below, g.delivery, g.sku, g.target, g.target_pattern
from goods g where g.shop_id = $1 and ($2::bigint is null or g.id = $2) order by g.id

-- name: window
select g.id, g.shop_id, g.class as goods_class, g.name, g.price_fen, g.source, g.on_sale,
  case when g.delivery = 'cards' then
    (select count(*) from (select from stock s where s.goods_id = g.id and s.state = 'available' limit 1000) few)::integer end as left_count,
  g.name_en, g.about_zh, g.about_en, g.alarm_below, g.delivery, g.sku, g.target, g.target_pattern
from goods g
where g.shop_id = $1 and g.on_sale and ($2::text = '' or g.class = $2)
  and ($3::text = '' or position(lower($3) in lower(g.name)) > 0 or position(lower($3) in lower(g.name_en)) > 0)
order by g.class, g.price_fen, g.id limit 200

-- name: on_sale
select g.id, g.shop_id, g.class as goods_class, g.name, g.price_fen, g.source, g.on_sale,
  case when g.delivery = 'cards' then
    (select count(*) from (select from stock s where s.goods_id = g.id and s.state = 'available' limit 1000) few)::integer end as left_count,
  g.name_en, g.about_zh, g.about_en, g.alarm_below, g.delivery, g.sku, g.target, g.target_pattern
from goods g where g.shop_id = $1 and g.id = $2 and g.on_sale

-- name: watched_stock
select g.id, g.shop_id, g.name, g.on_sale, g.alarm_below,
  (select count(*) from (select from stock s where s.goods_id = g.id and s.state = 'available' limit g.alarm_below) few)::integer as left_count
from goods g where g.alarm_below > 0 and g.delivery = 'cards' order by g.id limit 1000

-- name: good_for_sale
select id, price_fen, on_sale, name, delivery, sku, target_pattern from goods where shop_id = $1 and id = $2

-- name: add_stock
select add_stock($1, $2, $3, $4, $5, $6)

-- name: claim_purchase_key
insert into purchase_keys (shop_id, user_id, key, request_hash, purchase_id) values ($1, $2, $3, $4, $5)
on conflict (shop_id, user_id, key) do update set seen = purchase_keys.seen + 1
returning request_hash, purchase_id

-- name: purchase_by_key
select purchase_id from purchase_keys where shop_id = $1 and user_id = $2 and key = $3

-- name: begin_purchase
select begin_purchase($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)

-- name: end_purchases
select id, user_id, order_id, hold_id, bonus_hold_id, price_fen * count as total_fen, balance_fen, channel_fen, state
from end_purchases($1, $2, $3, $4, $5)

-- name: lock_buyer
select lock_users(array[$1::bigint])

-- name: purchase
select p.id, p.shop_id, p.user_id, p.goods_id, g.name, p.count, p.price_fen, p.balance_fen, p.channel_fen, p.order_id, p.hold_id, p.state,
  p.reason, p.created_at, p.expires_at, p.moved_at, g.name_en, g.class as goods_class, g.delivery
from purchases p join goods g on g.id = p.goods_id where p.id = $1 and ($2::bigint is null or p.user_id = $2)

-- name: purchases
select p.id, p.shop_id, p.user_id, p.goods_id, g.name, p.count, p.price_fen, p.balance_fen, p.channel_fen, p.order_id, p.hold_id, p.state,
  p.reason, p.created_at, p.expires_at, p.moved_at, g.name_en, g.class as goods_class, g.delivery
from purchases p join goods g on g.id = p.goods_id
where p.user_id = $1 and p.shop_id = $2 and ($3::uuid is null or p.id < $3) order by p.id desc limit $4

-- name: delivered_codes
select s.id, s.code_sealed from stock s join purchases p on p.id = s.purchase_id
where p.id = $1 and p.user_id = $2 and p.state = 'delivered' and s.state = 'delivered' order by s.id

-- name: renew_purchase
select renew_purchase($1, $2, $3, $4, $5, $6, $7, $8)

-- name: purchases_of_orders
select id, user_id, order_id, hold_id, bonus_hold_id, bonus_fen, goods_id, count, price_fen, balance_fen, channel_fen,
  price_fen * count as total_fen, state
from purchases where order_id = any ($1) order by id

-- name: due_purchases
select p.id, p.user_id, p.expires_at, p.order_id, p.next_look_at from purchases p
where p.next_look_at <= $1 order by p.next_look_at limit $2 for update skip locked

-- name: postpone_purchase
update purchases set next_look_at = $2 where id = $1 and state = 'reserved'

-- name: purchase_with_order
select p.id, p.user_id, p.shop_id, p.hold_id, p.state, p.expires_at, f.state as order_state
from purchases p left join recharge_facts f on f.order_id = p.order_id where p.id = $1

-- name: cash_of
select balance_fen from ledger_facts where shop_id = $1 and address = $2

-- name: stock_there
select stock_there($1, $2, $3)

-- name: purchase_of_order
select id from purchases where order_id = $1 and user_id = $2

-- name: note_card_view
insert into card_views (id, shop_id, user_id, purchase_id, session_id, codes, at) values ($1, $2, $3, $4, $5, $6, $7)

-- name: card_views
select count(*) as times, max(at) as last_at from card_views where purchase_id = $1 and user_id = $2

-- name: add_supply
insert into supplies (purchase_id, shop_id, user_id, sku, target_sealed, count, created_at, moved_at) values ($1, $2, $3, $4, $5, $6, $7, $7)

-- name: due_supplies
select s.purchase_id as id, s.shop_id, s.user_id, s.looks, s.created_at, s.moved_at, s.next_look_at from supplies s
where s.next_look_at <= $1 order by s.next_look_at limit $2 for update skip locked

-- name: postpone_supply
update supplies set next_look_at = $2, looks = looks + 1 where purchase_id = $1 and state = 'ordered'

-- name: supply
select s.purchase_id, s.shop_id, s.user_id, s.sku, s.target_sealed, s.count, s.state, s.tries, s.looks, s.serial, s.said, s.moved_at,
  s.next_look_at, p.price_fen * p.count as total_fen
from supplies s join purchases p on p.id = s.purchase_id where s.purchase_id = $1

-- name: count_try
update supplies set tries = tries + 1 where purchase_id = $1 and state = 'ordered' and tries = $2 returning tries

-- name: supplier_said
update supplies set serial = case when $2::text = '' then serial else $2 end, said = $3 where purchase_id = $1

-- name: end_supply
select id, shop_id, user_id, order_id, price_fen * count as total_fen from end_supply($1, $2, $3, $4, $5)

-- name: bonus_spent
-- What of a purchase was paid from the bonus: beside the cash at once, or out of its own hold.
select coalesce(sum(p.amount_fen), 0)::bigint + coalesce((select q.bonus_fen from purchases q where q.id = $1), 0)
from posting_keys k join postings p on p.transfer_id = k.transfer_id and p.amount_fen > 0
where k.source_id = $1 and k.kind = 'purchase.bonus'
