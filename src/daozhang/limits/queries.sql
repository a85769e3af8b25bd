-- name: in_force
select f.place, json_agg(f order by f.limit_id)::text as limits
from limits_in_force($1, $2, $3, $4, $5, $6, $7) f group by f.place;

-- name: mark_changed
update limits set changed_at = $2, changed_axis = $3, changed_fen = $4, changed_code = $5 where id = any ($1);

-- name: add
insert into limits (shop_id, owner, kind, channel_id, method, bank, instrument, min_fen, single_fen, day_fen, month_fen, opens, closes,
  fee_bp, source, source_date, demo, valid_from, valid_until, actor, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
returning id;

-- name: replace_same
-- A row for the same whose, what and axis ends where the new one begins; one that would begin later never holds.
update limits set valid_until = greatest(valid_from, $8)
where shop_id = $1 and owner = $2 and kind is not distinct from $3 and channel_id is not distinct from $4
  and method is not distinct from $5 and bank is not distinct from $6 and instrument is not distinct from $7
  and (valid_until is null or valid_until > $8);

-- name: end_row
update limits set valid_until = greatest(valid_from, $3) where id = $2 and shop_id = $1 and (valid_until is null or valid_until > $3)
returning id;

-- name: listed
select id, owner, kind, channel_id, method, bank, instrument, min_fen, single_fen, day_fen, month_fen, opens, closes, fee_bp, source,
  source_date, demo, valid_from, valid_until, actor, changed_at, changed_axis, changed_fen, changed_code
from limits where shop_id = $1 and ($2 or valid_until is null or valid_until > $3) order by owner desc, kind nulls first, bank nulls first, id;

-- name: channel_there
select true from channels where id = $2 and shop_id = $1;

-- name: one_at_a_time
-- Two who state a limit at once take turns, so that one row is left.
select pg_advisory_xact_lock(hashtext('daozhang.limits'));

-- name: cards
select bank, instrument, min(single_fen) as single_fen, min(day_fen) as day_fen, min(month_fen) as month_fen, bool_or(demo) as demo
from limits
where shop_id = $1 and owner = 'bank' and bank is not null and valid_from <= $2 and (valid_until is null or valid_until > $2)
group by bank, instrument order by bank, instrument limit 60;
