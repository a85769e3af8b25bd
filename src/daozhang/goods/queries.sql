-- name: add_good
insert into goods (shop_id, class, name, price_fen, source, on_sale, created_at, changed_at)
select $1, c.class, $3, $4, $5, $6, $7, $7 from goods_classes c where c.class = $2
on conflict (shop_id, name) do nothing returning id

-- name: set_sale
update goods set on_sale = $3, changed_at = $4 where shop_id = $1 and id = $2 returning id

-- name: shelf
select g.id, g.shop_id, g.class as goods_class, g.name, g.price_fen, g.source, g.on_sale,
  (select count(*) from stock s where s.goods_id = g.id and s.state = 'available')::integer as left_count
from goods g where g.shop_id = $1 and ($2::bigint is null or g.id = $2) order by g.id

-- name: good_for_sale
select id, price_fen, on_sale, name from goods where shop_id = $1 and id = $2

-- name: add_stock
select add_stock($1, $2, $3, $4, $5, $6)

-- name: claim_purchase_key
insert into purchase_keys (shop_id, user_id, key, request_hash, purchase_id) values ($1, $2, $3, $4, $5)
on conflict (shop_id, user_id, key) do update set seen = purchase_keys.seen + 1
returning request_hash, purchase_id

-- name: purchase_by_key
select purchase_id from purchase_keys where shop_id = $1 and user_id = $2 and key = $3

-- name: begin_purchase
select begin_purchase($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: end_purchases
select id, user_id, order_id, hold_id, price_fen * count as total_fen, balance_fen, channel_fen from end_purchases($1, $2, $3, $4, $5)

-- name: lock_buyer
select lock_users(array[$1::bigint])

-- name: purchase
select p.id, p.shop_id, p.user_id, p.goods_id, g.name, p.count, p.price_fen, p.balance_fen, p.channel_fen, p.order_id, p.hold_id, p.state,
  p.reason, p.created_at, p.expires_at, p.moved_at
from purchases p join goods g on g.id = p.goods_id where p.id = $1 and ($2::bigint is null or p.user_id = $2)

-- name: purchases
select p.id, p.shop_id, p.user_id, p.goods_id, g.name, p.count, p.price_fen, p.balance_fen, p.channel_fen, p.order_id, p.hold_id, p.state,
  p.reason, p.created_at, p.expires_at, p.moved_at
from purchases p join goods g on g.id = p.goods_id
where p.user_id = $1 and p.shop_id = $2 and ($3::uuid is null or p.id < $3) order by p.id desc limit $4

-- name: delivered_codes
select s.id, s.code_sealed from stock s join purchases p on p.id = s.purchase_id
where p.id = $1 and p.user_id = $2 and p.state = 'delivered' and s.state = 'delivered' order by s.id

-- name: renew_purchase
select renew_purchase($1, $2, $3, $4, $5, $6)

-- name: purchases_of_orders
select id, user_id, order_id, hold_id, goods_id, count, price_fen, balance_fen, channel_fen, price_fen * count as total_fen, state
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
