-- name: schema
create table if not exists merchants (mer_id text primary key, balance_fen integer not null default 0) strict;
create table if not exists counter (n integer not null) strict;
insert into counter select 100000 where not exists (select 1 from counter);
create table if not exists orders (
    mer_id text not null, order_id text not null, txn_time text not null, product text not null, biz_type text not null,
    sub_type text not null, amount_fen integer not null, back_url text not null, front_url text not null,
    fingerprint text not null, created_s real not null, expires_s real not null, code text not null unique,
    answer text not null, query_id text unique, trace_no text not null, charged_fen integer not null, voucher_fen integer not null,
    refunded_fen integer not null, paid_s real, known_s real, way text not null, phone text not null,
    primary key (mer_id, order_id, txn_time)
) strict;
create index if not exists orders_waiting on orders (created_s) where paid_s is null;
create index if not exists orders_paid on orders (paid_s) where paid_s is not null;
create index if not exists orders_by_id on orders (order_id);
create table if not exists returns (
    mer_id text not null, order_id text not null, txn_time text not null, kind text not null, orig_query_id text not null,
    amount_fen integer not null, back_url text not null, query_id text not null unique, trace_no text not null,
    created_s real not null, due_s real not null, finished_s real, answer text not null, fate text not null,
    primary key (mer_id, order_id, txn_time)
) strict, without rowid;
create index if not exists returns_of on returns (orig_query_id);
create index if not exists returns_due on returns (due_s) where finished_s is null;
create table if not exists notices (
    id text primary key, mer_id text not null, number text not null, url text not null, plain text not null,
    created_s real not null, step integer not null, next_s real, state text not null
) strict, without rowid;
create index if not exists notices_due on notices (next_s) where next_s is not null;
create index if not exists notices_of on notices (number);
create table if not exists sends (
    id integer primary key, notice_id text not null, number text not null, at_s real not null, flavour text not null,
    status integer not null, took_ms real not null, acknowledged integer not null
) strict;
create index if not exists sends_of on sends (number);

-- name: add_merchant
insert into merchants (mer_id) values (?) on conflict do nothing;

-- name: balance
select balance_fen from merchants where mer_id = ?;

-- name: move_balance
update merchants set balance_fen = balance_fen + ?2 where mer_id = ?1;

-- name: count
update counter set n = n + 1 returning n;

-- name: add_order
insert into orders values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', null, '', 0, 0, 0, null, null, '', '')
on conflict (mer_id, order_id, txn_time) do nothing returning 1;

-- name: order_by_key
select * from orders where mer_id = ? and order_id = ? and txn_time = ?;

-- name: order_by_number
select * from orders where order_id = ? order by created_s desc limit 1;

-- name: order_by_query_id
select * from orders where query_id = ?;

-- name: order_by_code
select * from orders where code = ?;

-- name: pay_order
update orders set answer = ?11, query_id = ?4, trace_no = ?5, charged_fen = ?6, paid_s = ?7, known_s = ?8, way = ?9,
    voucher_fen = ?10, phone = 'paid'
where mer_id = ?1 and order_id = ?2 and txn_time = ?3 and paid_s is null returning *;

-- name: phone_saw
update orders set phone = ?4, answer = coalesce(?5, answer)
where mer_id = ?1 and order_id = ?2 and txn_time = ?3 and paid_s is null returning *;

-- name: waiting_orders
select * from orders where paid_s is null and expires_s > ? order by created_s desc limit ?;

-- name: paid_orders
select * from orders where paid_s is not null order by paid_s desc limit ?;

-- name: paid_totals
select count(*), coalesce(sum(charged_fen), 0) from orders where paid_s is not null;

-- name: order_counts
select case when paid_s is not null then 'paid' when answer <> '' then 'refused' else 'waiting' end as state, count(*) from orders
group by 1;

-- name: refunded
update orders set refunded_fen = refunded_fen + ?2 where query_id = ?1;

-- name: add_return
insert into returns values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null, '05', ?);

-- name: return_by_key
select * from returns where mer_id = ? and order_id = ? and txn_time = ?;

-- name: returns_of_payment
select * from returns where orig_query_id = ? order by created_s;

-- name: returns_due
select * from returns where finished_s is null and due_s <= ? order by due_s limit 100;

-- name: finish_return
update returns set answer = ?4, finished_s = ?5
where mer_id = ?1 and order_id = ?2 and txn_time = ?3 and finished_s is null returning *;

-- name: doom_return
update returns set fate = ?2 where order_id = ?1 and finished_s is null;

-- name: refund_totals
select count(*), coalesce(sum(amount_fen), 0) from returns where answer = '00';

-- name: paid_between
select * from orders where paid_s >= ?1 and paid_s < ?2 order by paid_s;

-- name: returned_between
select * from returns where finished_s >= ?1 and finished_s < ?2 and answer = '00' order by finished_s;

-- name: add_notice
insert into notices values (?, ?, ?, ?, ?, ?, 0, ?, 'waiting');

-- name: notices_due
select * from notices where next_s <= ? order by next_s limit 200;

-- name: next_due
select min(due) from (select min(next_s) as due from notices where next_s is not null
    union all select min(due_s) from returns where finished_s is null);

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
