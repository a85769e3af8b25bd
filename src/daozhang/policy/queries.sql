-- name: newest_book
select version, parameters, sha256 from policy_book where shop_id = $1 order by version desc limit 1

-- name: one_book
select parameters, sha256 from policy_book where shop_id = $1 and version = $2

-- name: add_book
insert into policy_book (shop_id, version, parameters, sha256, author, note, created_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing

-- name: facts_before
with moment as (
  select clock_now() as at
), wishes as (
  select w.place, w.shop_id, w.user_id, w.channel_id
  from unnest($1::bigint[], $2::bigint[], $3::bigint[]) with ordinality as w (shop_id, user_id, channel_id, place)
)
select
  m.at, i.standing, i.standing_why, i.standing_until, i.standing_review_at, i.locked_until,
  case when w.channel_id is not null then coalesce(c.enabled and c.keyed, false) end as channel_enabled,
  c.kind, case when w.channel_id is not null then coalesce(c.methods, '{}') end as methods,
  case when w.channel_id is not null then coalesce(c.no_credit, false) end as no_credit,
  a.admitted_fen,
  (business_day(m.at) + 1)::timestamp at time zone 'Asia/Shanghai' as day_ends_at,
  not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off' as database_writes
from wishes w
cross join moment m
left join lateral (select * from identity_facts f where f.user_id = w.user_id and f.shop_id = w.shop_id limit 1) i on true
left join lateral (select * from channels_facts f where f.channel_id = w.channel_id and f.shop_id = w.shop_id limit 1) c on true
left join admitted_since(
  $2::bigint[], (select business_day(at)::timestamp at time zone 'Asia/Shanghai' from moment), $4::uuid[]
) a on a.user_id = w.user_id
order by w.place

-- name: facts_paid
-- A look by key for each user (`limit 1` leaves the planner no other way), and one moment for all.
with moment as materialized (
  select clock_now() as at
)
select m.at, i.standing, i.standing_why, i.standing_until, i.standing_review_at
from unnest($2::bigint[]) with ordinality as w (user_id, place)
cross join moment m
left join lateral (select * from identity_facts f where f.user_id = w.user_id and f.shop_id = $1 limit 1) i on true
order by w.place

-- name: decisions_after
select id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, hash
from decisions where id > $1 order by id limit $2
