-- name: newest_book
select version, parameters, sha256 from policy_book where shop_id = $1 order by version desc limit 1

-- name: one_book
select parameters, sha256 from policy_book where shop_id = $1 and version = $2

-- name: add_book
insert into policy_book (shop_id, version, parameters, sha256, author, note, created_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing

-- name: facts_before
select * from read_wishes($1, $2, null, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

-- name: facts_paid
-- Materialized: else the rules are read anew for every row.
with l as materialized (select regulation_now($1) as rules)
select l.rules::text as region_rules, case when l.rules <> '[]' then region_of_user(($2::bigint[])[f.place]) end as region, f.*
from facts_paid($1, $2, $3, $4) f cross join l
order by f.place

-- name: keep_paid
select keep_paid($1, $2, $3, $4, $5, $6, spread($7::text[], n), spread($8::text[], n), $9::json[], spread($10::json[], n),
  spread($11::bytea[], n), $12, $13, $14, spread($15::bigint[], n))
from cardinality($4::uuid[]) as n

-- name: keep_texts
select keep_texts($1, $2)

-- name: decisions_after
select id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, hash
from decisions_told where id > $1 order by id limit $2

-- name: facts_leaving
-- Money that leaves a balance: what is there, and since when the user's freeze is over.
with moment as materialized (
  select clock_now() as at
)
select m.at, i.standing, i.standing_why, i.standing_until, i.standing_review_at, i.locked_until, i.verification,
  extract(epoch from m.at - i.created_at)::bigint as user_age_s, extract(epoch from m.at - unfrozen_at(w.user_id))::bigint as unfrozen_s,
  extract(epoch from m.at - unbound_at(w.user_id))::bigint as unbound_s,
  -- Who cools down longer than a month is not thought of: then nobody counts years of purchases for it.
  case when unbound_at(w.user_id) > m.at - interval '31 days' then spent_since($1, w.user_id, unbound_at(w.user_id)) else 0 end
    as cooling_fen,
  coalesce(l.balance_fen, 0) as available_fen, coalesce(b.balance_fen, 0) as bonus_fen,
  case when unfrozen_at(w.user_id) is null then 0 else unfrozen_part(l.account_id, w.amount_fen, unfrozen_at(w.user_id)) end as unfrozen_fen,
  (select coalesce(max(a.most_fen), 0) from policy_passes a where a.user_id = w.user_id and a.used_at is null and a.ends_at > m.at) as pass_fen,
  not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off' as database_writes
from unnest($2::bigint[], $3::bigint[]) with ordinality as w (user_id, amount_fen, place)
cross join moment m
left join lateral (select * from identity_facts f where f.user_id = w.user_id and f.shop_id = $1 limit 1) i on true
left join lateral (select * from ledger_facts f where f.shop_id = $1 and f.address = 'user:' || w.user_id || ':cash' limit 1) l on true
left join lateral (select * from ledger_facts f where f.shop_id = $1 and f.address = 'user:' || w.user_id || ':bonus' limit 1) b on true
order by w.place

-- name: note_place
select note_place($1, $2, $3, $4)

-- name: use_pass
select use_pass($1, $2, $3, $4)

-- name: take_tolerance
select take_tolerance(tolerance_keys($1, $2, $3), business_day($4), $5, $6, $7, $8)

-- name: tolerance_halved
select tolerance_halved($1, $2)

-- name: payer_of_order
select shop_id, payer from payer_marks where order_id = $1
union all
select shop_id, payer from order_marks where order_id = $1 and payer is not null
limit 1

-- name: flag_payer
insert into payer_flags (shop_id, payer, flagged, why, actor, ends_at, at) values ($1, $2, $3, $4, $5, $6, $7)

-- name: keep_placed
select keep_placed($1, $2, $3, $4, $5, $6, spread($7::text[], n), spread($8::text[], n), $9, spread($10::text[], n), $11, $12,
  spread($13::uuid[], n), spread($14::bytea[], n), spread($15::text[], n), spread($16::bigint[], n))
from cardinality($4::uuid[]) as n

-- name: keep_decisions
insert into decisions (id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, hash, latency_us, at)
select u.id, u.shop_id, u.user_id, u.order_id, u.stage, u.outcome, u.reason, u.book_version, u.facts::json, u.verdicts::json, u.hash,
  u.latency_us, u.at
from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::text[], $10::text[],
  $11::bytea[], $12::integer[], $13::timestamptz[])
  as u (id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, hash, latency_us, at)

-- name: grant_pass
insert into policy_passes (id, shop_id, user_id, most_fen, why, actor, granted_at, ends_at) values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: proposals
select e.id, e.actor, e.data::text as data, e.at from events e
where e.shop_id = $1 and e.kind = 'policy.proposed' and e.id >= $2
  and not exists (
    select from events a where a.shop_id = $1 and a.kind = 'policy.approved' and a.id >= $2 and a.data ->> 'proposal' = e.id::text)
order by e.id limit 200

-- name: all_books
select version, author, note, created_at, encode(sha256, 'hex') as sha256 from policy_book where shop_id = $1 order by version desc limit 200

-- name: let_go_since
select m.order_id from order_moves m where m.order_id >= $1 and m.move in ('approved', 'released')

-- name: trials_since
select rule, count(*) as count from rule_trials where shop_id = $1 and at >= $2 group by rule

-- name: add_loss
insert into policy_losses (order_id, shop_id, user_id, amount_fen, label, why, actor, at) values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (order_id) do nothing returning order_id

-- name: paid_order
select o.user_id, o.amount_fen from orders o
where o.id = $2 and o.shop_id = $1 and exists (select from attempts a where a.order_id = o.id and a.id >= o.id and a.state = 'paid')

-- name: said_of_order
select l.actor as fraud_by, l.at as fraud_at, p.payer is not null as payer_known,
  coalesce(f.flagged and (f.ends_at is null or f.ends_at > clock_now()), false) as flagged, f.why as flag_why
from (select 1) one
left join policy_losses l on l.order_id = $1
left join lateral (
  select m.payer from payer_marks m where m.order_id = $1
  union all
  select m.payer from order_marks m where m.order_id = $1 and m.payer is not null
  limit 1
) p on true
left join lateral (select g.flagged, g.ends_at, g.why from payer_flags g where g.payer = p.payer order by g.id desc limit 1) f on true

-- name: frauds
select order_id from policy_losses where label = 'fraud'

-- name: add_region_rule
insert into region_rules (shop_id, region, channel_class, goods_class, reference, notice_zh, notice_en, in_flight, from_at, until_at, urgent,
  proposed_by, proposed_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) returning id

-- name: lock_region_rule
select proposed_by, proposed_at, approved_at, ending_by, ending_at, ended_at from lock_region_rule($1, $2)

-- name: approve_region_rule
select approve_region_rule($1, $2, $3)

-- name: end_region_rule
select end_region_rule($1, $2, $3, $4, $5)

-- name: region_rules_listed
select r.id,
  case
    when r.ended_at is not null or r.until_at <= clock_now()
      or (r.approved_at is null and r.urgent and r.proposed_at + interval '48 hours' <= clock_now())
      then 'over'
    when r.ending_at is not null then 'ending'
    when r.approved_at is null and not r.urgent then 'proposed'
    when r.from_at > clock_now() then 'waiting'
    else 'in_force'
  end as state,
  r.region, r.channel_class, r.goods_class, r.reference, r.notice_zh, r.notice_en, r.in_flight, r.from_at, r.until_at, r.urgent, r.proposed_by,
  r.proposed_at, r.approved_by, r.ended_by, r.why
from region_rules r where r.shop_id = $1 order by r.id desc limit $2

-- name: declare_region
insert into user_regions (id, shop_id, user_id, region, actor, at) values ($1, $2, $3, $4, $5, $6)

-- name: regulation_of_user
select r.rules::text as rules, case when r.rules <> '[]' then region_of_user($2) end as region from (select regulation_now($1) as rules) r

-- name: notices_of
select region, reference, notice_zh as text_zh, notice_en as text_en, from_at from region_rules where id = any ($1) order by id

-- name: rules_in_force
-- What everybody may read of the rows that hold now, by the very function that the checks ask.
select r.id, r.region, r.channel_class, r.goods_class, r.reference, r.notice_zh as text_zh, r.notice_en as text_en,
  greatest(r.from_at, coalesce(r.approved_at, r.proposed_at)) as from_at, r.until_at, r.in_flight
from region_rules r join jsonb_array_elements(regulation_now($1)) n on (n.value ->> 'id')::bigint = r.id order by r.id

-- name: classes_of_goods
select goods_id, class from goods_facts where goods_id = any ($1)

-- name: orders_to_return
select o.id as order_id from orders o where o.shop_id = $1 and o.state = 'held' and o.reason = $2
  and not exists (select from refunds r where r.order_id = o.id and r.origin = 'review')
order by o.id limit $3

-- name: lock_chooser
select lock_users(array[$1::bigint])

-- name: declared_region
select region, at from user_regions where user_id = $1 order by id desc limit 1
