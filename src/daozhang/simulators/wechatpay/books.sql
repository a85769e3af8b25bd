-- name: schema
create table if not exists merchants (mchid text primary key, balance_fen integer not null default 0) strict;
create table if not exists orders (
    mchid text not null, out_trade_no text not null, appid text not null, product text not null,
    description text not null, attach text not null, total_fen integer not null, notify_url text not null,
    openid text not null, client_ip text not null,
    fingerprint text not null, created_s real not null, expires_s real not null, code text not null unique,
    prepay_id text not null, state text not null, transaction_id text unique, charged_fen integer not null,
    paid_s real, bank_type text not null, payer text not null, refunded_fen integer not null,
    voucher_fen integer not null, phone text not null,
    primary key (mchid, out_trade_no)
) strict;
create index if not exists orders_waiting on orders (created_s) where state = 'NOTPAY';
create index if not exists orders_paid on orders (paid_s) where paid_s is not null;
create table if not exists refunds (
    mchid text not null, out_refund_no text not null, refund_id text not null unique, out_trade_no text not null,
    amount_fen integer not null, total_fen integer not null, reason text not null, notify_url text not null,
    created_s real not null, due_s real not null, finished_s real, status text not null, fate text not null,
    primary key (mchid, out_refund_no)
) strict, without rowid;
create index if not exists refunds_of_order on refunds (mchid, out_trade_no);
create index if not exists refunds_due on refunds (due_s) where status = 'PROCESSING';
create table if not exists notices (
    id text primary key, mchid text not null, number text not null, event_type text not null, url text not null,
    form text not null, plain text not null, created_s real not null, step integer not null, next_s real,
    state text not null, probed integer not null
) strict, without rowid;
create index if not exists notices_due on notices (next_s) where next_s is not null;
create index if not exists notices_of on notices (number);
create table if not exists sends (
    id integer primary key, notice_id text not null, number text not null, at_s real not null, flavour text not null,
    status integer not null, took_ms real not null, acknowledged integer not null
) strict;
create index if not exists sends_of on sends (number);

-- name: add_merchant
insert into merchants (mchid) values (?) on conflict do nothing;

-- name: balance
select balance_fen from merchants where mchid = ?;

-- name: move_balance
update merchants set balance_fen = balance_fen + ?2 where mchid = ?1;

-- name: add_order
insert into orders values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'NOTPAY', null, 0, null, '', '', 0, 0, '')
on conflict (mchid, out_trade_no) do nothing returning 1;

-- name: order_by_number
select * from orders where mchid = ? and out_trade_no = ?;

-- name: order_by_transaction
select * from orders where transaction_id = ?;

-- name: order_by_code
select * from orders where code = ?;

-- name: close_order
update orders set state = 'CLOSED' where mchid = ? and out_trade_no = ? and state = 'NOTPAY' returning *;

-- name: pay_order
update orders set state = 'SUCCESS', transaction_id = ?3, charged_fen = ?4, paid_s = ?5, bank_type = ?6, payer = ?7,
    voucher_fen = ?8, phone = 'paid'
where mchid = ?1 and out_trade_no = ?2 and state = 'NOTPAY' returning *;

-- name: phone_saw
update orders set phone = ?3 where mchid = ?1 and out_trade_no = ?2 returning *;

-- name: refunded
update orders set refunded_fen = refunded_fen + ?3 where mchid = ?1 and out_trade_no = ?2;

-- name: close_stale
update orders set state = 'CLOSED' where state = 'NOTPAY' and created_s < ?;

-- name: waiting_orders
select * from orders where state = 'NOTPAY' and expires_s > ?1 and created_s > ?2 order by created_s desc limit ?3;

-- name: paid_orders
select * from orders where paid_s is not null order by paid_s desc limit ?;

-- name: paid_totals
select count(*), coalesce(sum(charged_fen), 0) from orders where paid_s is not null;

-- name: order_counts
select state, count(*) from orders group by state;

-- name: add_refund
insert into refunds values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null, 'PROCESSING', ?);

-- name: refund_by_number
select * from refunds where mchid = ? and out_refund_no = ?;

-- name: refunds_of_order
select * from refunds where mchid = ? and out_trade_no = ? order by created_s;

-- name: refunds_due
select * from refunds where status = 'PROCESSING' and due_s <= ? order by due_s limit 100;

-- name: finish_refund
update refunds set status = ?3, finished_s = ?4 where mchid = ?1 and out_refund_no = ?2 and status = 'PROCESSING' returning *;

-- name: refund_totals
select count(*), coalesce(sum(amount_fen), 0) from refunds where status = 'SUCCESS';

-- name: add_notice
insert into notices values (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 'waiting', 0);

-- name: notices_due
select * from notices where next_s <= ? order by next_s limit 200;

-- name: next_due
select min(due) from (select min(next_s) as due from notices where next_s is not null
    union all select min(due_s) from refunds where status = 'PROCESSING');

-- name: notice_next
update notices set step = ?2, next_s = ?3, state = ?4 where id = ?1;

-- name: notice_probed
update notices set probed = 1 where id = ?;

-- name: notices_of
select * from notices where number = ? order by created_s;

-- name: revive_notices
update notices set next_s = ? where state in ('sending', 'held');

-- name: wake_notices
update notices set next_s = ?1 where next_s > ?1;

-- name: notice_counts
select state, count(*) from notices group by state;

-- name: add_send
insert into sends (notice_id, number, at_s, flavour, status, took_ms, acknowledged) values (?, ?, ?, ?, ?, ?, ?) returning id;

-- name: trim_sends
delete from sends where id <= ?;

-- name: sends_of
select * from sends where number = ? order by id;
