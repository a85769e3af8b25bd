-- name: lock_for_settlement
select lock_for_settlement($1);

-- name: read_for_settlement
select * from read_for_settlement($1, spread($2::bigint[], cardinality($1::uuid[])), $3);

-- name: known_facts
select f.channel_id, f.channel_txn from unnest($1::bigint[], $2::text[]) as u (channel_id, txn)
join fact_keys f on f.channel_id = u.channel_id and f.channel_txn = u.txn;

-- name: resolve_stray
update anomalies set resolved_at = $4, resolution = $5
where id = (
  select a.id from anomalies a
  where a.kind = 'unknown_order' and a.resolved_at is null and a.channel_id = $1 and a.facts ->> 'channel_txn' = $2 and a.amount_fen = $3
  limit 1
) and resolved_at is null
returning id;

-- name: claim_notifications
insert into notification_keys (channel_id, key, notification_id)
select * from unnest(spread($1::bigint[], cardinality($3::uuid[])), $2::text[], $3::uuid[]) as u (channel_id, key, id) order by channel_id, key
on conflict (channel_id, key) do update set seen = notification_keys.seen + 1
returning notification_id;

-- name: keep_notifications
select keep_notifications($1, $2, spread($3::bigint[], n), $4, $5, spread($6::text[], n), spread($7::text[], n), $8::json[], $9)
from cardinality($4::uuid[]) as n;

-- name: credit_orders
select credit_orders($1, $2, $3, $4, $5, $6, $7, spread($8::bigint[], n), spread($9::bigint[], n), $10, $11, spread($12::integer[], n),
  spread($13::text[], n), spread($14::integer[], n), spread($15::text[], n), spread($16::text[], n))
from cardinality($4::uuid[]) as n;

-- name: write_settlement
-- Decisions, moves, messages and bookings, one after the other in this order; the booking takes the accounts' locks, so it comes last.
-- Orders, users, amounts and transactions of the channel are columns of several of them.
select keep_paid($1, $4, $5, $6, $7, $8, spread($11::text[], n), spread($12::text[], n), $13::json[], spread($14::json[], n),
    spread($15::bytea[], n), $16, $17, $18, s.amounts),
  credit_orders($1, $2, $3, $19, $20, $7, $8, spread($21::bigint[], n), s.amounts, $10, $22, spread($23::integer[], n),
    spread($24::text[], n), spread($25::integer[], n), spread($26::text[], n), spread($27::text[], n)),
  keep_notifications($1, $2, spread($28::bigint[], m), $29, $30, spread($31::text[], m), spread($32::text[], m), $33::json[], $34),
  post_opening($1, $2, $3, 'recharge', $19, $7, $35, $10, spread($36::bigint[], n), $37, s.amounts, $38) as opened
from cardinality($7::uuid[]) as n cross join cardinality($29::uuid[]) as m
cross join lateral (select spread($9::bigint[], n) as amounts offset 0) s;

-- name: defer_notification
insert into notifications (id, shop_id, channel_id, state, why, headers, body, report, next_try_at, at)
values ($1, $2, $3, 'stored', $4, $5::text::json, $6, $7::text::json, $8, $9);

-- name: pay_attempts
select pay_attempts($1, $2, $3, spread($4::integer[], n), spread($5::text[], n), $6, $7, spread($8::bigint[], n))
from cardinality($3::uuid[]) as n;

-- name: move_attempts
select move_attempts($1, $2, $3, spread($4::integer[], n), spread($5::text[], n), spread($6::text[], n), spread($7::text[], n),
  spread($8::text[], n), $9)
from cardinality($3::uuid[]) as n;

-- name: move_orders
select move_orders($1, $2, $3, spread($4::integer[], n), spread($5::text[], n), spread($6::text[], n), spread($7::text[], n),
  spread($8::text[], n), spread($9::text[], n), spread($10::text[], n), spread($11::text[], n))
from cardinality($3::uuid[]) as n;

-- name: note_anomalies
insert into anomalies (id, shop_id, kind, order_id, attempt_id, channel_id, amount_fen, facts, at)
select u.id, $1, u.kind, u.order_id, u.attempt_id, u.channel_id, u.amount_fen, u.facts::jsonb, $2
from unnest($3::uuid[], $4::text[], $5::uuid[], $6::uuid[], $7::bigint[], $8::bigint[], $9::text[])
  as u (id, kind, order_id, attempt_id, channel_id, amount_fen, facts);

-- name: note_other_amount
-- A payment that is booked, and a message of the channel's that tells another amount than was asked: once for each payment.
insert into anomalies (id, shop_id, kind, order_id, attempt_id, channel_id, amount_fen, facts, at)
select $3, $1, 'amount', a.order_id, a.id, a.channel_id, $5, $6::jsonb, $2
from attempts a
where a.id = $4 and a.channel_id = $7 and a.state = 'paid' and a.amount_fen <> $5
  and not exists (select from anomalies n where n.order_id = a.order_id and n.attempt_id = a.id and n.kind = 'amount');

-- name: lock_users
select lock_users($1);

-- name: wait_for_origin
select wait_for_origin($1, $2);

-- name: begin_orders
select f.* from read_wishes($1, $2, $3, $4, '{}', $5, $6, $7, $8, $9, $10, $11, $12, $13) f;

-- name: write_orders
-- The keys of new orders, the orders, and where they came from. Their users are locked, and `begin_orders` found their keys free.
with sent as materialized (
  select u.* from cardinality($6::uuid[]) as n, unnest($5::bytea[], $6, $7::bigint[], $8::text[], $9::bytea[], spread($10::bigint[], n),
      spread($11::bigint[], n), spread($12::text[], n), spread($13::text[], n), spread($14::text[], n), spread($15::text[], n),
      spread($16::text[], n), spread($17::bytea[], n), spread($18::text[], n))
    as u (browser, id, user_id, key, hash, amount_fen, channel_id, method, page, ip, locale, purpose, payer, province)
), claimed as (
  insert into idempotency_keys (shop_id, user_id, key, request_hash, order_id, created_at)
  select $1::bigint, s.user_id, s.key, s.hash, s.id, $2::timestamptz from sent s
), marked as (
  insert into order_marks (order_id, shop_id, user_id, device, payer, province, amount_fen, at)
  select s.id, $1, s.user_id, s.browser, s.payer, s.province, s.amount_fen, $4::timestamptz
  from sent s where s.browser is not null or s.payer is not null or s.province is not null
)
insert into orders_begun (id, shop_id, user_id, purpose, amount_fen, channel_id, method, page_version, client_ip, locale, created_at,
  expires_at, moved_at)
select s.id, $1, s.user_id, s.purpose, s.amount_fen, s.channel_id, s.method, s.page, s.ip, s.locale, $2, $3::timestamptz, $2
from sent s;

-- name: count_again
-- Keys that come again.
update idempotency_keys k set seen = k.seen + 1 from unnest($2::bigint[], $3::text[]) as u (user_id, key)
where k.shop_id = $1 and k.user_id = u.user_id and k.key = u.key;

-- name: keep_orders
-- What becomes of orders that were judged: their decisions, where they came from, the attempts of those that are admitted, and what
-- others may hear of each. One moment, shop and book for all.
with judged as materialized (
  select u.* from cardinality($4::uuid[]) as n, unnest($4, $5::uuid[], $6::bigint[], spread($7::text[], n), spread($8::text[], n), $9::json[],
      spread($10::json[], n), spread($11::bytea[], n), $12::bytea[], $13::integer[], spread($14::text[], n), spread($15::bigint[], n),
      $16::uuid[], spread($17::text[], n))
    as u (id, order_id, user_id, outcome, reason, facts, verdicts, said, hash, latency_us, province, amount_fen, event_id, event)
), decided as (
  insert into decisions (id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, verdicts_hash, hash,
    latency_us, at)
  select j.id, $1::bigint, j.user_id, j.order_id, 'place', j.outcome, j.reason, $3::integer, j.facts, j.verdicts, j.said, j.hash,
    j.latency_us, $2::timestamptz
  from judged j
), been as (
  insert into place_days_ordered (user_id, day, province, at)
  select j.user_id, business_day($2), j.province, $2
  from judged j where j.province is not null and j.outcome in ('admit', 'monitor') order by j.user_id
  on conflict do nothing
), tried as (
  insert into attempts_begun (id, order_id, shop_id, user_id, channel_id, kind, method, merchant, app, amount_fen, client_ip, payer_openid,
    created_at, expires_at, moved_at, next_query_at)
  select t.id, t.order_id, $1, t.user_id, t.channel_id, t.kind, t.method, t.merchant, t.app, t.amount_fen, t.ip, t.openid,
    $18::timestamptz, $19::timestamptz, $18, $20::timestamptz
  from cardinality($21::uuid[]) as n, unnest($21, $22::uuid[], $23::bigint[], spread($24::bigint[], n), spread($25::text[], n),
      spread($26::text[], n), spread($27::text[], n), spread($28::text[], n), spread($29::bigint[], n), spread($30::text[], n),
      spread($31::bytea[], n))
    as t (id, order_id, user_id, channel_id, kind, method, merchant, app, amount_fen, ip, openid)
)
insert into events (id, shop_id, kind, order_id, user_id, actor, data, at)
select j.event_id, $1, j.event, j.order_id, j.user_id, 'buyer', jsonb_build_object('amount_fen', j.amount_fen), $18
from judged j;

-- name: create_orders
select create_orders($1, $2, $3, $4, spread($5::bigint[], n), spread($6::bigint[], n), spread($7::text[], n), spread($8::text[], n),
  spread($9::text[], n), spread($10::text[], n), spread($11::timestamptz[], n), spread($12::text[], n))
from cardinality($3::uuid[]) as n;

-- name: create_attempts
select create_attempts($1, $2, $3, $4, $5, spread($6::bigint[], n), spread($7::text[], n), spread($8::text[], n), spread($9::text[], n),
  spread($10::text[], n), spread($11::bigint[], n), spread($12::text[], n), spread($13::bytea[], n), spread($14::timestamptz[], n),
  spread($15::timestamptz[], n))
from cardinality($3::uuid[]) as n;

-- name: name_cards
update attempts a set bank = u.bank, instrument = u.instrument
from unnest($1::uuid[], $2::text[], $3::text[]) as u (id, bank, instrument) where a.id = u.id;

-- name: newest_card
select bank, instrument from attempts where order_id = $1 and id >= $1 order by id desc limit 1;

-- name: keep_code
update attempts set native_code = $2 where id = $1 and $2 <> '';

-- name: give_reasons
update orders o set reason = u.reason, reason_facts = u.facts::jsonb
from unnest($1::uuid[], $2::text[], $3::text[]) as u (id, reason, facts) where o.id = u.id;

-- name: keep_answers
update attempts a set action = u.action, payload = u.payload::jsonb, native_code = u.native_code, reason = u.reason
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) as u (id, action, payload, native_code, reason)
where a.id = u.id and a.id = any ($1);

-- name: due_attempts
select a.id, a.order_id, a.shop_id, a.user_id, a.channel_id, a.method, a.state, a.version, a.amount_fen, a.queries, a.created_at,
  a.expires_at, a.client_ip, a.payer_openid, a.next_query_at
from attempts a where a.next_query_at <= $1 order by a.next_query_at limit $2 for update skip locked;

-- name: postpone_attempts
update attempts a set next_query_at = u.due_at, queries = a.queries + 1
from unnest($1::uuid[], $2::timestamptz[]) as u (id, due_at) where a.id = u.id;

-- name: live_attempts
select id, state, version, channel_id, queries, reason from attempts where order_id = $1 and id >= $1 and state not in ('paid', 'closed') order by id;

-- name: attempts_in_work
select a.id, a.order_id, a.shop_id, a.user_id, a.channel_id, a.kind, a.method, a.bank, a.instrument, a.amount_fen, a.state, a.version,
  a.created_at, a.expires_at, o.state as order_state, o.version as order_version
from attempts a cross join lateral (select x.state, x.version from orders x where x.id = a.order_id limit 1) o
where a.id = any ($1::uuid[]);

-- name: count_attempts
select count(*) from attempts where order_id = $1 and id >= $1;

-- name: one_attempt
select a.id, a.order_id, a.shop_id, a.user_id, a.channel_id, a.kind, a.method, a.state, a.version, a.amount_fen, a.created_at, a.expires_at,
  a.client_ip, a.payer_openid, a.action, a.reason, a.bank, a.instrument,
  o.state as order_state, o.version as order_version, o.purpose,
  exists (select from attempts b where b.order_id = a.order_id and b.id >= a.order_id and b.id <> a.id
    and b.state not in ('paid', 'closed')) as others_live
from attempts a join orders o on o.id = a.order_id where a.id = $1;

-- name: order_for_work
select id, shop_id, user_id, state, version, amount_fen, refunded_fen, channel_id, method, locale, expires_at, created_at, credited_at,
  page_version, client_ip
from orders where id = $1;

-- name: order_view
select o.id, o.user_id, o.shop_id, o.purpose, o.state, o.version, o.amount_fen, o.refunded_fen, o.channel_id, o.method, o.created_at, o.expires_at,
  o.credited_at, o.reason, o.reason_facts::text as reason_facts,
  a.id as attempt_id, a.kind, a.state as attempt_state, a.action, a.payload::text as payload, a.native_code, a.channel_txn, a.paid_fen,
  a.method as attempt_method, a.channel_id as attempt_channel_id, a.expires_at as attempt_expires_at, a.reason as attempt_reason,
  a.queries,
  a.state is distinct from 'open' and exists (
    select from attempts d where d.order_id = o.id and d.id >= o.id and d.state in ('unknown', 'closing')) as in_doubt
from orders o
left join lateral (
  select * from attempts t where t.order_id = o.id and t.id >= o.id order by (t.state = 'paid') desc, t.id desc limit 1
) a on true
where o.id = $1 and ($2::bigint is null or o.user_id = $2);

-- name: order_steps
-- `kind` is the channel that a step speaks of: of an order's own moves, the one of the attempt that it was about at that moment.
select m.at, 'order.' || m.move as what, m.actor, m.reason, m.version, (
    select t.kind from attempts t where t.order_id = m.order_id and t.id >= m.order_id and t.created_at <= m.at
    order by (t.state = 'paid' and t.moved_at = m.at) desc, t.id desc limit 1) as kind
from order_moves m where m.order_id = $1
union all
select m.at, 'attempt.' || m.move, m.actor, m.reason, m.version, a.kind
from attempts a join attempt_moves m on m.attempt_id = a.id where a.order_id = $1 and a.id >= $1 and m.move <> 'paid'
union all
select r.created_at, 'refund.asked', r.actor, r.amount_fen::text, 0, a.kind
from refunds r join attempts a on a.id = r.attempt_id where r.order_id = $1
union all
select m.at, 'refund.' || m.move, m.actor, r.amount_fen::text, m.version, a.kind
from refunds r join refund_moves m on m.refund_id = r.id join attempts a on a.id = r.attempt_id where r.order_id = $1
union all
select p.created_at, 'payout.proposed', p.proposed_by, p.amount_fen::text, 0, null from payouts p where p.order_id = $1
union all
select m.at, 'payout.' || m.move, m.actor, p.amount_fen::text, m.version, null
from payouts p join payout_moves m on m.payout_id = p.id where p.order_id = $1
order by 1, 5;

-- name: order_anomalies
-- Late, double or other money stays so; what had no end stands here until somebody or something has found one.
select kind from anomalies where order_id = $1 and (kind <> 'unresolved' or resolved_at is null) order by at;

-- name: order_refunds
select r.id, r.order_id, r.state, r.amount_fen, r.created_at, r.moved_at, r.reason, r.origin, r.why, a.kind,
  exists (select from anomalies n where n.order_id = r.order_id and n.kind = 'unresolved' and n.resolved_at is null
    and n.facts ->> 'refund' = r.id::text) as waits
from refunds r join attempts a on a.id = r.attempt_id where r.order_id = $1 order by r.id;

-- name: newest_verdicts
select verdicts::text as verdicts from decisions_told where order_id = $1 and stage <> 'refund' order by id desc limit 1;

-- name: order_lines
select o.id, o.purpose, o.state, o.amount_fen, o.refunded_fen, o.channel_id, o.created_at, o.reason, a.kind, a.state as attempt_state,
  a.state is distinct from 'open' and exists (
    select from attempts d where d.order_id = o.id and d.id >= o.id and d.state in ('unknown', 'closing')) as in_doubt
from orders o
left join lateral (
  select t.kind, t.state from attempts t where t.order_id = o.id and t.id >= o.id order by (t.state = 'paid') desc, t.id desc limit 1
) a on true
where o.user_id = $1 and o.shop_id = $2 and ($3::uuid is null or o.id < $3) and ($5::text[] is null or o.state = any ($5))
  and ($6::bigint is null or o.amount_fen = $6)
order by o.id desc limit $4;

-- name: open_orders
-- A user's unpaid orders. In doubt is one of which a try has an end that nobody knows, or that is being closed.
select o.id, o.state, o.amount_fen, o.purpose = 'purchase' as purchase, coalesce(a.kind, '') as kind,
  coalesce(a.expires_at, o.expires_at) as expires_at,
  a.state is distinct from 'open' and d.since is not null as in_doubt, coalesce(d.since, o.created_at) as since
from orders o
left join lateral (
  select t.kind, t.state, t.expires_at from attempts t where t.order_id = o.id and t.id >= o.id order by t.id desc limit 1
) a on true
left join lateral (
  select min(u.moved_at) as since from attempts u where u.order_id = o.id and u.id >= o.id and u.state in ('unknown', 'closing')
) d on true
where o.user_id = $1 and o.shop_id = $2 and o.id >= id_floor($3)
  and o.state in ('created', 'challenged', 'reviewing', 'awaiting_payment', 'closing')
order by o.id desc limit $4;

-- name: knows_key
select exists (select from idempotency_keys where shop_id = $1 and user_id = $2 and key = $3);

-- name: twins
-- Recharges of one user that arrived near this one with the same sum, and of which nothing went back.
select w.id from orders o
join orders w on w.user_id = o.user_id and w.id <> o.id and w.amount_fen = o.amount_fen and w.purpose = o.purpose
where o.id = $3 and o.user_id = $1 and o.shop_id = $2 and o.state = 'credited' and o.purpose = 'wallet' and o.refunded_fen = 0
  and w.shop_id = o.shop_id and w.state = 'credited' and w.refunded_fen = 0
  and w.id >= id_floor(o.created_at - make_interval(secs => $4)) and w.id < id_floor(o.created_at + make_interval(secs => $4))
  and abs(extract(epoch from w.credited_at - o.credited_at)) <= $4
  and not exists (select from refunds r where r.order_id in (o.id, w.id) and r.state in ('reserved', 'sent', 'done'))
order by w.id limit 10;

-- name: order_tries
select a.id, a.kind, a.method, a.state, a.reason, a.native_code, a.created_at, a.moved_at from attempts a
where a.order_id = $1 and a.id >= $1 order by a.id limit 50;

-- name: order_version
select o.version, o.state, o.moved_at,
  exists (select from attempts a where a.order_id = o.id and a.id >= o.id and a.state = 'prepared') as unasked
from orders o where o.id = $1;

-- name: paid_attempt
select a.id, a.channel_id, a.kind, a.method, a.channel_txn, a.paid_fen, a.moved_at
from attempts a
where a.order_id = $1 and a.id >= $1 and a.state = 'paid'
  and not exists (select from anomalies n where n.attempt_id = a.id and n.kind = 'twice')
order by a.moved_at limit 1;

-- name: begin_refund
select create_refund($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: count_refund
select count_refund($1, $2);

-- name: refunds_of_attempt
select count(*) as number, max(created_at) as latest from refunds where attempt_id = $1;

-- name: told_of_refund
select id from anomalies where attempt_id = $1 and kind = $2 and facts ->> 'refund' = $3 and resolved_at is null limit 1;

-- name: refund_given_up
-- Whoever gives a stuck refund up has decided what a person was asked.
update anomalies set resolved_at = $3, resolution = $4
where attempt_id = $1 and resolved_at is null and kind = 'unresolved' and facts ->> 'refund' = $2;

-- name: refund_came_through
-- What a person was told of a refund that came through after all is settled; so is a second payment, once it is back.
update anomalies set resolved_at = $3, resolution = $4
where attempt_id = $1 and resolved_at is null and (kind = 'twice' or (kind = 'unresolved' and facts ->> 'refund' = $2));

-- name: newest_refund_of
-- The newest refund of a second payment. `undecided`: one may still deliver it, or it is balance already.
select r.id, r.shop_id, r.order_id, r.attempt_id, r.channel_id, r.state, r.amount_fen, r.total_fen, r.why, a.user_id,
  exists (select from refunds d where d.attempt_id = r.attempt_id and d.state <> 'failed') or exists (
    select from fact_sources k where k.kind = 'twice.kept' and k.source_id = r.attempt_id) as undecided
from refunds r join attempts a on a.id = r.attempt_id where r.attempt_id = $1 and r.origin = 'suspense' order by r.id desc limit 1;

-- name: due_refunds
select r.id, r.shop_id, r.order_id, r.attempt_id, r.channel_id, r.state, r.amount_fen, r.total_fen, r.why, r.queries, r.created_at,
  r.origin, r.hold_id
from refunds r where r.next_query_at <= $1 order by r.next_query_at limit $2 for update skip locked;

-- name: postpone_refund
update refunds set next_query_at = $2 where id = $1;

-- name: balance_of
select balance_fen from accounts where shop_id = $1 and address = $2;

-- name: lock_refund
select id, shop_id, order_id, attempt_id, channel_id, hold_id, origin, state, amount_fen, total_fen, why, actor, created_at
from refunds where id = $1 for no key update;

-- name: move_refund
select id from move_refund($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: due_notifications
select n.id, n.shop_id, n.channel_id, n.report::text as report, n.tries, n.why, n.at
from notifications n where n.next_try_at <= $1 order by n.next_try_at limit $2 for update skip locked;

-- name: postpone_notification
update notifications set next_try_at = $2, tries = tries + 1 where id = $1;

-- name: finish_notification
update notifications set next_try_at = null, state = 'settled', why = $2 where id = $1;

-- name: refund_in_work
select r.id, r.shop_id, r.order_id, r.attempt_id, r.channel_id, r.state, r.amount_fen, r.total_fen, r.why, r.queries, r.created_at,
  r.moved_at, r.reason, r.origin, a.kind, a.channel_txn, a.user_id, a.merchant, a.currency,
  (select coalesce(sum(d.amount_fen), 0)::bigint from refunds d where d.attempt_id = r.attempt_id and d.state = 'done') as returned_fen,
  exists (select from refunds d where d.attempt_id = r.attempt_id and d.id <> r.id and d.state in ('reserved', 'sent')) as others_open
from refunds r join attempts a on a.id = r.attempt_id where r.id = $1;

-- name: count_look
-- Only from what was seen: of two looks that begin at once, one goes on.
update refunds set queries = queries + 1 where id = $1 and queries = $2 and state in ('reserved', 'sent') returning true;

-- name: uncount_look
update refunds set queries = queries - 1 where id = $1 and queries > 0;

-- name: orders_behind
select r.hold_id as source_id, r.order_id from refunds r where r.hold_id = any ($1)
union all
select r.id, r.order_id from refunds r where r.id = any ($1)
union all
select o.id, o.id from orders o where o.id = any ($1);

-- name: lock_order
select o.id, o.shop_id, o.user_id, o.purpose, o.state, o.version, o.amount_fen, o.locale from lock_order($1) o;

-- name: way_back_is_closed
select exists (select from refunds r where r.order_id = $1 and r.state = 'failed' and r.reason = any ($2));

-- name: paid_out_of
select paid_out_of($1);

-- name: create_payout
select create_payout($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: one_payout
select id, shop_id, user_id, order_id, amount_fen, state, payee from payouts where id = $1;

-- name: lock_payout
select id, shop_id, user_id, order_id, amount_fen, hold_id, state, proposed_by, created_at from lock_payout($1);

-- name: move_payout
select id from move_payout($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: waiting_payouts
select id, order_id, user_id, amount_fen, state, payee_tail, why, proposed_by, decided_by, reference, created_at, moved_at
from payouts where state in ('proposed', 'approved') order by created_at limit 500;

-- name: paid_payouts
select id, order_id, user_id, amount_fen, state, payee_tail, why, proposed_by, decided_by, reference, created_at, moved_at
from payouts where shop_id = $1 and state = 'paid' and moved_at > $2 order by moved_at desc limit 100;

-- name: order_payouts
select id, order_id, user_id, amount_fen, state, payee_tail, why, proposed_by, decided_by, reference, created_at, moved_at
from payouts where order_id = $1 order by id;

-- name: open_anomalies
select id, kind, order_id, channel_id, amount_fen, facts::text as facts, at
from anomalies where resolved_at is null and shop_id = $1 order by at limit $2;

-- name: anomalies_waiting
select kind, channel_id, count(*) as waiting, (array_agg(id order by id desc))[1] as newest,
  (array_agg(order_id order by id desc))[1] as order_id, (array_agg(amount_fen order by id desc))[1] as amount_fen
from anomalies where resolved_at is null and shop_id = $1 group by kind, channel_id;

-- name: resolve_ended
-- A payment that nobody knew the end of has ended meanwhile; a message that could not be settled is.
update anomalies n set resolved_at = $2, resolution = 'ended by itself'
where n.kind = 'unresolved' and n.resolved_at is null and n.shop_id = $1 and (
  (n.facts ->> 'watched' is not null and exists (select from attempts a where a.id = n.attempt_id and a.state in ('paid', 'closed')))
  or exists (select from notifications m where m.id::text = n.facts ->> 'notification' and m.state = 'settled'));

-- name: resolve_anomaly
-- Money of an unknown order is taken out of suspense by settling alone, and that looks for the open row.
update anomalies set resolved_at = $3, resolution = $4
where id = $2 and shop_id = $1 and resolved_at is null and kind <> 'unknown_order' returning id;

-- name: heard
-- Channels with some payments of late, and whether any message of theirs came in that time.
with since as materialized (
  select id_floor($1) as id
), booked as (
  select a.channel_id from order_moves m join attempts a on a.order_id = m.order_id and a.id >= m.order_id and a.state = 'paid'
  where m.order_id >= (select id from since) and m.move = 'paid' group by a.channel_id having count(*) >= $2
)
select b.channel_id, exists (
  select from notifications n where n.id >= (select id from since) and n.channel_id = b.channel_id and n.state <> 'invalid') as heard
from booked b;

-- name: begin_wait
insert into order_waits (order_id, shop_id, user_id, state, wish, since_at, ends_at, next_look_at) values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (order_id) do update
set state = excluded.state, wish = excluded.wish, since_at = excluded.since_at, ends_at = excluded.ends_at, next_look_at = excluded.next_look_at;

-- name: due_waits
select order_id as id, user_id, ends_at from order_waits where next_look_at <= $1 order by next_look_at limit $2 for update skip locked;

-- name: look_at_wait
update order_waits set next_look_at = $2 where order_id = $1 and next_look_at is not null;

-- name: forget_wish
-- What was asked for is needed no more: zeros stand where it was sealed.
update order_waits set wish = decode(repeat('00', 34), 'hex') where order_id = $1;

-- name: one_wait
select order_id, user_id, state, wish, ends_at, next_look_at from order_waits where order_id = $1;

-- name: approved_at
select max(at) from order_moves where order_id = $1 and move = 'approved';

-- name: paid_by_transaction
-- The payment that a channel knows by this number of its own, at any channel of the shop.
select a.id as attempt_id, a.order_id, a.paid_fen, o.user_id, o.state
from channels c
join fact_keys k on k.channel_id = c.id and k.channel_txn = $2
join attempts a on a.id = k.attempt_id and a.channel_txn = k.channel_txn and a.state = 'paid'
join orders o on o.id = a.order_id
where c.shop_id = $1 limit 1;

-- name: claimed_payment
select state, channel_txn from attempts where id = $1 and channel_id = $2;

-- name: claimed_refund
select state, channel_txn from refunds where id = $1 and channel_id = $2;

-- name: doubt_reason
update attempts set reason = $2 where id = $1;

-- name: order_reason
select reason from orders where id = $1;

-- name: freeze_in_force
select id, authority, reference, until_at, review_at, held_for, lift_asked_by, lift_asked_at
from order_freezes where order_id = $1 and lifted_at is null;

-- name: begin_freeze
insert into order_freezes (id, shop_id, order_id, authority, reference, until_at, review_at, next_look_at, held_for, ordered_by, ordered_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: renew_freeze
-- A new order of an authority: whoever had asked for the end of the old one asks anew.
update order_freezes set authority = $2, reference = $3, until_at = $4, review_at = $5, next_look_at = $6, lift_asked_by = null,
  lift_asked_at = null, lift_why = null
where id = $1;

-- name: ask_to_lift
update order_freezes set lift_asked_by = $2, lift_why = $3, lift_asked_at = $4 where id = $1;

-- name: end_freeze
update order_freezes set lifted_by = $2, lifted_at = $3, next_look_at = null where id = $1;

-- name: due_freezes
select id, order_id, review_at, until_at from order_freezes where next_look_at <= $1 order by next_look_at limit $2 for update skip locked;

-- name: look_at_freeze
update order_freezes set next_look_at = $2 where id = $1 and lifted_at is null;

-- name: answered_before
select m.reason from order_moves m where m.order_id = $1 and m.move = 'passed';

-- name: stray_returned
update anomalies set resolved_at = $3, resolution = $4
where id = $2 and shop_id = $1 and resolved_at is null and amount_fen > 0 and (
  kind = 'unknown_order' or (kind = 'unresolved' and attempt_id is null and order_id is not null and facts ->> 'channel_txn' is not null))
returning order_id, channel_id, amount_fen;

-- name: payouts_waiting_since
select count(*) as waiting, (array_agg(id order by id desc))[1] as newest, (array_agg(order_id order by id))[1] as order_id
from payouts where shop_id = $1 and state in ('proposed', 'approved') and moved_at <= $2;

-- name: silent_misfits
select o.id, o.user_id from order_moves m
join orders o on o.id = m.order_id and o.state = 'misfit' and o.version = m.version
where m.to_state = 'misfit' and m.at <= $1 order by m.at limit $2;

-- name: stalled_attempts
select a.id, a.order_id, a.shop_id, a.user_id, a.state, a.version, a.expires_at, a.reason, o.state as order_state,
  o.version as order_version
from attempts a join orders o on o.id = a.order_id
where a.order_id = $1 and a.id >= $1 and a.state not in ('paid', 'closed') order by a.id;

-- name: claims_about
-- Messages that nobody could confirm, and which say that money came for a number.
select exists (select from notifications n where n.shop_id = $1 and n.id >= $2 and n.state = 'stored'
  and n.report ->> 'subject' = 'payment' and n.report ->> 'number' = any ($3));

-- name: asked_ending
select id, asked_by, asked_at from hand_endings where order_id = $1 and done_at is null for no key update;

-- name: ask_ending
insert into hand_endings (id, shop_id, order_id, charged, why, asked_by, asked_at) values ($1, $2, $3, $4, $5, $6, $7);

-- name: done_ending
update hand_endings set charged = $2, done_by = $3, done_at = $4 where id = $1;

-- name: take_turn
insert into recharge_turns as t (user_id, holder, until) values ($1, $2, $4)
on conflict (user_id) do update set holder = excluded.holder, until = excluded.until where t.until <= $3
returning true

-- name: end_turn
update recharge_turns set until = '-infinity' where user_id = $1 and holder = $2

-- name: balance_there
select coalesce(sum(balance_fen), 0)::bigint from ledger_facts where shop_id = $1 and address = any ($2)
