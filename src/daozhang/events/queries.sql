-- name: append_events
insert into events (id, shop_id, kind, order_id, user_id, actor, data, at)
select u.id, $1, u.kind, u.order_id, u.user_id, $2, u.data::jsonb, $3
from unnest($4::uuid[], $5::text[], $6::uuid[], $7::bigint[], $8::text[]) as u (id, kind, order_id, user_id, data);

-- name: events_after
select xact::text as xact, seq, kind, order_id, user_id, at
from events
where (xact, seq) > ($1::text::xid8, $2) and xact < pg_snapshot_xmin(pg_current_snapshot())
order by xact, seq
limit $3;

-- name: horizon
select pg_snapshot_xmin(pg_current_snapshot())::text;
