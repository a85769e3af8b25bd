-- name: open_accounts
select address, id from open_accounts($1, $2);

-- name: post_transfers
select post_transfers($1, $2, $3, $4, spread($5::text[], n), $6, $7, $8, spread($9::smallint[], n), $10, $11)
from cardinality($4::uuid[]) as n;

-- name: post_pairs
select post_pairs($1, $2, $3, $4, spread($5::text[], n), $6, $7, $8, spread($9::bigint[], n), spread($10::bigint[], n), spread($11::bigint[], n))
from cardinality($4::uuid[]) as n;

-- name: begin_hold
select begin_hold($1, $2, $3, $4, $5, $6);

-- name: end_hold
select h.shop_id, h.amount_fen, a.address as source, r.address as aside
from end_hold($1, $2, $3) h
join accounts a on a.id = h.account_id
join accounts r on r.id = h.reserved_account_id;

-- name: balances
select address, balance_fen from accounts where shop_id = $1 and address = any ($2);

-- name: statement
select t.id, t.booked_at, t.kind, p.amount_fen, p.balance_after_fen, t.source_id
from accounts a
join postings p on p.account_id = a.id
join transfers t on t.id = p.transfer_id
where a.shop_id = $1 and a.address = $2
  and ($3::uuid is null or p.version < (select b.version from postings b where b.transfer_id = $3 and b.account_id = a.id order by b.line limit 1))
  and ($5::text = '' or ($5 = 'in') = (p.amount_fen > 0))
order by p.version desc
limit $4;

-- name: lot_left
-- What is left of the money that one fact brought to an account: all of it until a debit after it made it a lot.
select coalesce(l.remaining_fen, p.amount_fen) as left_fen
from posting_keys k
join postings p on p.transfer_id = k.transfer_id and p.amount_fen > 0
join accounts a on a.id = p.account_id and a.shop_id = $1 and a.address = $2
left join fund_lots l on l.account_id = p.account_id and l.version = p.version
where k.source_id = $3 and k.kind = any ($4::text[]) order by p.version limit 1;
