-- name: ring
insert into alarms (id, shop_id, kind, key, facts, rung_at, last_at) values ($1, $2, $3, $4, $5::text::jsonb, $6, $6)
on conflict (shop_id, kind, key) where closed_at is null
do update set times = alarms.times + 1, last_at = excluded.last_at, facts = excluded.facts
returning times

-- name: close
update alarms set closed_at = $2, closed_by = $3, resolution = $4 where id = $1 and closed_at is null returning id

-- name: end
update alarms set closed_at = $4, closed_by = 'program', resolution = $5
where shop_id = $1 and kind = $2 and key = $3 and closed_at is null returning id

-- name: open_alarms
select id, shop_id, kind, key, facts::text as facts, rung_at, last_at, times from alarms where closed_at is null order by rung_at desc limit $1

-- name: last_told
select distinct on (kind, key) kind, key, facts::text as facts, closed_by from alarms where shop_id = $1 and kind = any ($2)
order by kind, key, rung_at desc
