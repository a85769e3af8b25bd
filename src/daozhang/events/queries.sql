-- name: events_after
select xact::text as xact, seq, kind, order_id, user_id, at
from events
where (xact, seq) > ($1::text::xid8, $2) and xact < pg_snapshot_xmin(pg_current_snapshot())
order by events.xact, events.seq
limit $3;

-- name: horizon
select pg_snapshot_xmin(pg_current_snapshot())::text;

-- name: keep_exchanges
insert into interface_log (id, shop_id, channel_id, order_id, attempt_id, refund_id, direction, operation, trace, status,
                           duration_us, result, request, response, at)
select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[],
                     $10::integer[], $11::bigint[], $12::text[], $13::text[], $14::text[], $15::timestamptz[]);

-- name: interface_of_order
select id, channel_id, attempt_id, refund_id, direction, operation, trace, status, duration_us, result, request, response, at
from interface_log
where order_id = $1
   or attempt_id in (select a.id from attempts a where a.order_id = $1)
   or refund_id in (select r.id from refunds r where r.order_id = $1)
order by id
limit 500;

-- name: numbers_of_order
select a.id, false as refund from attempts a where a.order_id = $1
union all
select r.id, true from refunds r where r.order_id = $1;

-- name: turns_of_order
select m.at from order_moves m where m.order_id = $1
union
select m.at from attempts a join attempt_moves m on m.attempt_id = a.id where a.order_id = $1
union
select m.at from refunds r join refund_moves m on m.refund_id = r.id where r.order_id = $1
order by at desc
limit 200;

-- name: messages_around
select distinct on (n.id) n.id, n.channel_id, n.why, n.headers::text as headers, n.body, n.at, n.headers ->> $4 as number
from unnest($1::uuid[], $2::uuid[]) as t (since, until)
join notifications n on n.id between t.since and t.until
where n.headers ->> $4 = any($3::text[])
order by n.id
limit 500;

-- name: interface_of_channel
select id, channel_id, attempt_id, refund_id, direction, operation, trace, status, duration_us, result, request, response, at
from interface_log
where channel_id = $1
order by id desc
limit $2;

-- name: wake
-- Nothing is kept by it, so its commit need not wait for the disk, nor keep a settlement's waiting there. It is for this statement alone.
select pg_notify('daozhang', ''), set_config('synchronous_commit', 'off', true);

-- name: append_events
insert into events (id, shop_id, kind, order_id, user_id, actor, data, at)
select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::uuid[], $5::bigint[], $6::text[], $7::jsonb[], $8::timestamptz[])

-- name: add_action
insert into staff_actions (id, shop_id, actor, staff_id, roles, door, action, subject, before, reason, at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: add_outcome
insert into staff_outcomes (action_id, outcome, why, after, at) values ($1, $2, $3, $4, $5)

-- name: trail
select a.id, a.actor, a.staff_id, a.roles, a.door, a.action, a.subject, a.before, a.reason, a.at, o.outcome, o.why, o.after
from staff_actions a left join staff_outcomes o on o.action_id = a.id
where a.shop_id = $1 and ($2::uuid is null or a.id < $2) and ($3 = '' or a.actor = $3) and ($4 = '' or starts_with(a.action, $4))
  and ($5 = '' or a.subject = $5)
order by a.id desc limit $6
