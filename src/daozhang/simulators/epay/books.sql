-- name: schema
create table if not exists merchants (
    pid text primary key, balance_fen integer not null default 0, open integer not null default 1, failures integer not null default 0
) strict;
create table if not exists orders (
    trade_no text primary key, out_trade_no text not null, pid text not null, version integer not null, type text not null,
    name text not null, money_fen integer not null, notify_url text not null, return_url text not null, param text not null,
    client_ip text not null, created_s real not null, code text not null unique, status integer not null, charged_fen integer not null,
    paid_s real, api_trade_no text not null, buyer text not null, way text not null, refund_fen integer not null,
    closed integer not null, phone text not null, hidden_until_s real not null
) strict, without rowid;
create index if not exists orders_by_number on orders (out_trade_no, pid, created_s);
create index if not exists orders_waiting on orders (created_s) where status = 0;
create index if not exists orders_paid on orders (paid_s) where paid_s is not null;
create table if not exists refunds (
    refund_no text primary key, out_refund_no text not null, trade_no text not null, pid text not null, amount_fen integer not null,
    created_s real not null, unique (pid, out_refund_no)
) strict, without rowid;
create index if not exists refunds_of_order on refunds (trade_no);
create table if not exists notices (
    trade_no text primary key, number text not null, created_s real not null, step integer not null, next_s real, state text not null
) strict, without rowid;
create index if not exists notices_due on notices (next_s) where next_s is not null;
create table if not exists sends (
    id integer primary key, trade_no text not null, number text not null, at_s real not null, flavour text not null,
    status integer not null, took_ms real not null, acknowledged integer not null
) strict;
create index if not exists sends_of on sends (number);

-- name: add_merchant
insert into merchants (pid) values (?) on conflict do nothing;

-- name: merchant
select balance_fen, open from merchants where pid = ?;

-- name: switch
update merchants set open = ?2 where pid = ?1;

-- name: move_balance
update merchants set balance_fen = balance_fen + ?2 where pid = ?1;

-- name: balances
select coalesce(sum(balance_fen), 0) from merchants;

-- name: failed
update merchants set failures = failures + 1 where pid = ? returning failures;

-- name: heard
update merchants set failures = 0 where pid = ? and failures > 0;

-- name: add_order
insert into orders values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, null, '', '', '', 0, 0, '', 0);

-- name: order_by_number
select * from orders where pid = ? and out_trade_no = ? order by created_s desc limit 1;

-- name: order_by_trade_no
select * from orders where trade_no = ?;

-- name: order_by_any
select * from orders where code = ?1 or trade_no = ?1 or out_trade_no = ?1 order by created_s desc limit 1;

-- name: orders_of
select * from orders where pid = ? order by trade_no desc limit ? offset ?;

-- name: pay_order
update orders set status = 1, money_fen = ?2, charged_fen = ?3, paid_s = ?4, api_trade_no = ?5, buyer = ?6, way = ?7, phone = 'paid',
    hidden_until_s = ?8
where trade_no = ?1 and status in (0, 4) and closed = 0 returning *;

-- name: close_order
update orders set closed = 1 where trade_no = ?;

-- name: set_status
update orders set status = ?2 where trade_no = ?1;

-- name: phone_saw
update orders set phone = ?2 where trade_no = ?1;

-- name: refunded
update orders set status = 2, refund_fen = refund_fen + ?2 where trade_no = ?1;

-- name: waiting_orders
select * from orders where status = 0 and closed = 0 and created_s > ? order by created_s desc limit ?;

-- name: paid_orders
select * from orders where paid_s is not null order by paid_s desc limit ?;

-- name: paid_totals
select count(*), coalesce(sum(charged_fen), 0) from orders where paid_s is not null;

-- name: order_counts
select status, count(*) from orders group by status;

-- name: add_refund
insert into refunds values (?, ?, ?, ?, ?, ?);

-- name: refund_by_number
select * from refunds where pid = ? and out_refund_no = ?;

-- name: refunds_of_order
select * from refunds where trade_no = ? order by created_s;

-- name: refund_totals
select count(*), coalesce(sum(amount_fen), 0) from refunds;

-- name: add_notice
insert into notices values (?, ?, ?, 0, ?, 'waiting');

-- name: notices_due
select * from notices where next_s <= ? order by next_s limit 200;

-- name: next_due
select min(next_s) from notices where next_s is not null;

-- name: notice_next
update notices set step = ?2, next_s = ?3, state = ?4 where trade_no = ?1;

-- name: notice_of
select * from notices where trade_no = ?;

-- name: notices_of
select * from notices where number = ? order by created_s;

-- name: revive_notices
update notices set next_s = ? where state in ('sending', 'held');

-- name: wake_notices
update notices set next_s = ?1 where next_s > ?1;

-- name: notice_counts
select state, count(*) from notices group by state;

-- name: add_send
insert into sends (trade_no, number, at_s, flavour, status, took_ms, acknowledged) values (?, ?, ?, ?, ?, ?, ?) returning id;

-- name: trim_sends
delete from sends where id <= ?;

-- name: sends_of
select * from sends where number = ? order by id;
