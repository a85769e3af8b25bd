-- name: order_attempts
select id, channel_id, kind, method, merchant, state, amount_fen, paid_fen, channel_txn, native_code, reason, queries, next_query_at, created_at,
  expires_at, moved_at
from attempts_desk where order_id = $1 and id >= $1 order by id

-- name: order_decisions
select id, stage, outcome, reason, book_version, facts, verdicts, latency_us, at from decisions_desk where order_id = $1 order by id limit 50

-- name: order_odd
select id, kind, channel_id, amount_fen, facts, at, resolved_at, resolution from anomalies_desk where order_id = $1 order by id

-- name: order_freeze
select authority, reference, until_at, review_at, ordered_by, ordered_at, lift_asked_by, lift_asked_at, lift_why from order_freezes_facts
where order_id = $1 and lifted_at is null

-- name: order_of_attempt
select order_id from attempts_desk where id = $1 and shop_id = $2

-- name: order_of_transaction
select a.order_id from transactions_desk t join attempts_desk a on a.id = t.attempt_id
where t.channel_id in (select c.channel_id from channels_facts c where c.shop_id = $2) and t.channel_txn = $1 and a.shop_id = $2 limit 1

-- name: order_there
select id from orders_desk where id = $1 and shop_id = $2

-- name: order_cases
select case_id, kind, state, turn, verdict, opened_at from cases_facts where shop_id = $1 and about = $2 order by opened_at

-- name: person
select user_id, standing, standing_why, standing_office, standing_since, standing_until, standing_review_at, verification, created_at, seen_at,
  locale, devices_count, sessions_count
from user_desk_facts where user_id = $1 and shop_id = $2

-- name: person_standings
select from_standing, to_standing, why, office, note, actor, until_at, review_at, at from standing_facts where user_id = $1 order by at desc limit 100

-- name: person_orders
select id, state, amount_fen, refunded_fen, reason, created_at from orders_desk where user_id = $1 and shop_id = $2 order by id desc limit 20

-- name: person_cases
select case_id, kind, about, state, turn, verdict, opened_at from cases_facts where user_id = $1 and shop_id = $2 order by opened_at desc limit 20

-- name: failures
-- Of each user and reason the newest failure, and the first order credited after it: what cured it is how that order differed.
-- Money counts once for an order, however often it was tried.
with failed as materialized (
  select f.* from failures_desk f where f.shop_id = $1 and f.order_id >= $2 and f.at >= $3
), ends as (
  select distinct on (f.reason, f.user_id) f.reason, case
      when c.id is null then null
      when c.channel_id <> f.channel_id or c.method <> f.method then 'way'
      when c.amount_fen <> f.amount_fen then 'amount'
      when c.id = f.order_id then 'same'
      else 'again' end as cure
  from failed f
  left join lateral (
    select o.id, o.channel_id, o.method, o.amount_fen from orders_desk o
    where o.shop_id = $1 and o.user_id = f.user_id and o.id >= $2 and o.credited_at > f.at order by o.credited_at, o.id limit 1
  ) c on true
  order by f.reason, f.user_id, f.at desc, f.order_id desc
), cured as (
  select reason, count(*) as users, count(cure) as cured_users, count(*) filter (where cure = 'way') as way_users,
    count(*) filter (where cure = 'amount') as amount_users, count(*) filter (where cure = 'again') as again_users,
    count(*) filter (where cure = 'same') as same_users
  from ends group by reason
), money as (
  select d.reason, sum(d.amount_fen)::bigint as fen from (select distinct reason, order_id, amount_fen from failed) d group by d.reason
)
select f.reason, count(*) as count, m.fen, c.users, c.cured_users, c.way_users, c.amount_users, c.again_users, c.same_users
from failed f join cured c using (reason) join money m using (reason)
group by f.reason, m.fen, c.users, c.cured_users, c.way_users, c.amount_users, c.again_users, c.same_users
order by count(*) desc, f.reason limit 200

-- name: outcomes
select count(*) as orders, count(*) filter (where credited_at is not null) as credited,
  count(*) filter (where state in ('refused', 'failed', 'expired', 'abandoned', 'cancelled')) as ended,
  coalesce(sum(amount_fen), 0)::bigint as fen, coalesce(sum(amount_fen) filter (where credited_at is not null), 0)::bigint as credited_fen
from orders_desk where shop_id = $1 and id >= $2
