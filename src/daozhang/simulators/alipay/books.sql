-- name: schema
create table if not exists sellers (app_id text primary key, balance_fen integer not null default 0) strict;
create table if not exists trades (
    app_id text not null, out_trade_no text not null, product text not null, subject text not null, total_fen integer not null,
    notify_url text not null, return_url text not null, no_credit integer not null, fingerprint text not null,
    created_s real not null, expires_s real not null, code text not null unique, trade_no text unique, state text not null,
    charged_fen integer not null, paid_s real, closed_s real, way text not null, voucher_fen integer not null,
    refunded_fen integer not null, phone text not null,
    primary key (app_id, out_trade_no)
) strict;
create index if not exists trades_open on trades (expires_s) where state in ('', 'WAIT_BUYER_PAY');
create index if not exists trades_paid on trades (paid_s) where paid_s is not null;
create table if not exists refunds (
    app_id text not null, out_trade_no text not null, out_request_no text not null, amount_fen integer not null,
    reason text not null, created_s real not null, due_s real, done_s real, status text not null,
    primary key (app_id, out_trade_no, out_request_no)
) strict, without rowid;
create index if not exists refunds_due on refunds (due_s) where due_s is not null;
create table if not exists notices (
    id text primary key, app_id text not null, number text not null, about text not null, url text not null,
    plain text not null, created_s real not null, step integer not null, next_s real, state text not null
) strict, without rowid;
create index if not exists notices_due on notices (next_s) where next_s is not null;
create index if not exists notices_of on notices (number);
create table if not exists sends (
    id integer primary key, notice_id text not null, number text not null, at_s real not null, flavour text not null,
    status integer not null, took_ms real not null, acknowledged integer not null
) strict;
create index if not exists sends_of on sends (number);

-- name: add_seller
insert into sellers (app_id) values (?) on conflict do nothing;

-- name: balance
select balance_fen from sellers where app_id = ?;

-- name: move_balance
update sellers set balance_fen = balance_fen + ?2 where app_id = ?1;

-- name: add_trade
insert into trades values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null, '', 0, null, null, '', 0, 0, '')
on conflict (app_id, out_trade_no) do nothing returning *;

-- name: trade_by_number
select * from trades where app_id = ? and out_trade_no = ?;

-- name: trade_by_trade_no
select * from trades where trade_no = ?;

-- name: trade_by_code
select * from trades where code = ?;

-- name: open_trade
update trades set state = 'WAIT_BUYER_PAY', trade_no = ?3 where app_id = ?1 and out_trade_no = ?2 and state = '' returning *;

-- name: close_trade
update trades set state = 'TRADE_CLOSED', closed_s = ?3
where app_id = ?1 and out_trade_no = ?2 and state = 'WAIT_BUYER_PAY' returning *;

-- name: lapse
update trades set state = 'TRADE_CLOSED', closed_s = ?1 where state = 'WAIT_BUYER_PAY' and expires_s <= ?1 returning *;

-- name: pay_trade
update trades set state = 'TRADE_SUCCESS', charged_fen = ?3, paid_s = ?4, way = ?5, voucher_fen = ?6, phone = 'paid'
where app_id = ?1 and out_trade_no = ?2 and state = 'WAIT_BUYER_PAY' returning *;

-- name: finish_trade
update trades set state = 'TRADE_FINISHED' where app_id = ? and out_trade_no = ? and state = 'TRADE_SUCCESS' returning *;

-- name: phone_saw
update trades set phone = ?3 where app_id = ?1 and out_trade_no = ?2 returning *;

-- name: refunded
update trades set refunded_fen = refunded_fen + ?3,
    state = case when refunded_fen + ?3 >= charged_fen then 'TRADE_CLOSED' else state end,
    closed_s = case when refunded_fen + ?3 >= charged_fen then ?4 else closed_s end
where app_id = ?1 and out_trade_no = ?2 returning *;

-- name: waiting_trades
select * from trades where state in ('', 'WAIT_BUYER_PAY') and expires_s > ?1 and created_s > ?2 order by created_s desc limit ?3;

-- name: paid_trades
select * from trades where paid_s is not null order by paid_s desc limit ?;

-- name: paid_between
select * from trades where paid_s >= ? and paid_s < ? order by paid_s;

-- name: paid_totals
select count(*), coalesce(sum(charged_fen), 0) from trades where paid_s is not null;

-- name: trade_counts
select case state when '' then 'PRECREATED' else state end, count(*) from trades group by state;

-- name: add_refund
insert into refunds values (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: refund_by_number
select * from refunds where app_id = ? and out_trade_no = ? and out_request_no = ?;

-- name: refunds_of
select * from refunds where app_id = ? and out_trade_no = ? order by created_s;

-- name: refunds_between
select * from refunds where status = 'REFUND_SUCCESS' and done_s >= ? and done_s < ? order by done_s;

-- name: refunds_due
select * from refunds where due_s <= ? order by due_s limit 100;

-- name: finish_refund
update refunds set status = 'REFUND_SUCCESS', due_s = null, done_s = ?4
where app_id = ?1 and out_trade_no = ?2 and out_request_no = ?3 and due_s is not null returning *;

-- name: refund_totals
select count(*), coalesce(sum(amount_fen), 0) from refunds where status = 'REFUND_SUCCESS';

-- name: add_notice
insert into notices values (?, ?, ?, ?, ?, ?, ?, 0, ?, 'waiting');

-- name: notices_due
select * from notices where next_s <= ? order by next_s limit 200;

-- name: next_due
select min(due) from (select min(next_s) as due from notices where next_s is not null
    union all select min(due_s) from refunds where due_s is not null);

-- name: notice_next
update notices set step = ?2, next_s = ?3, state = ?4 where id = ?1;

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
