-- name: attempts_of
select attempt_id, channel_id, kind, method, state, native_code, reason, created_at, expires_at, moved_at, next_query_at, paid_fen
from attempts_facts where order_id = $1 and attempt_id >= $1 order by attempt_id;

-- name: queries_about
-- When the channel was last asked about each attempt, and when it last answered.
select attempt_id, max(at) as asked_at, max(at) filter (where result = 'answered' and status < 500) as answered_at
from exchanges_facts where attempt_id = any ($1) and direction = 'out' and operation = 'query' group by attempt_id;

-- name: exchanges_of
select attempt_id, refund_id, channel_id, direction, operation, status, result, trace, at
from exchanges_facts where attempt_id = any ($1) order by id limit 200;

-- name: verdicts_of
select stage, outcome, reason, verdicts::text as verdicts, at from verdicts_facts where order_id = $1 order by decision_id limit 60;

-- name: stopped_of
-- How the last spending and the last asking back of money were judged.
(select stage, outcome, reason, verdicts::text as verdicts, at from verdicts_facts
  where user_id = $1 and shop_id = $2 and decision_id >= $3 and stage = 'spend' order by decision_id desc limit 1)
union all
(select stage, outcome, reason, verdicts::text as verdicts, at from verdicts_facts
  where user_id = $1 and shop_id = $2 and decision_id >= $3 and stage = 'refund' order by decision_id desc limit 1);

-- name: anomalies_of
select kind from anomalies_facts where order_id = $1 order by at;

-- name: standing_of
select standing, standing_why, standing_until from identity_facts where user_id = $1;

-- name: freezes_of
-- Each freeze with its end: the next move that is none, or the end it was given.
select m.why, m.at, m.until_at,
  (select min(n.at) from standings_facts n where n.user_id = m.user_id and n.id > m.id and n.to_standing <> 'frozen') as ended_at,
  (select s.office from standing_facts s where s.user_id = m.user_id and s.at = m.at and s.to_standing = 'frozen' limit 1) as office
from standings_facts m where m.user_id = $1 and m.to_standing = 'frozen' order by m.id desc limit 10;

-- name: failures_of
select f.order_id, f.state, f.amount_fen, f.reason, f.method, f.moved_at, c.kind
from failures_facts f left join channels_facts c on c.channel_id = f.channel_id
where f.user_id = $1 and f.shop_id = $2 and f.order_id >= $3 order by f.order_id desc limit 20;

-- name: last_amount
select amount_fen from recharge_facts where user_id = $1 and shop_id = $2 order by order_id desc limit 1;

-- name: phone_words_of
select pick, reason, native, at from phone_words where order_id = $1 order by id limit 40;

-- name: keep_phone_words
insert into phone_words (id, shop_id, user_id, order_id, pick, reason, native, text_sealed, at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: phone_texts_of
select id, text_sealed, at from phone_words where order_id = $1 and text_sealed is not null order by id limit 40;

-- name: count_phone_words
select count(*) from phone_words where order_id = $1;

-- name: open_diagnosis
insert into diagnoses (id, shop_id, user_id, order_id, code, opened_at) values ($1, $2, $3, $4, $5, $6)
on conflict do nothing returning id;

-- name: diagnosis_about
select id, shop_id, user_id, order_id, code, opened_at, next_look_at, watch_since
from diagnoses where shop_id = $1 and user_id = $2 and order_id is not distinct from $3;

-- name: diagnosis_by_code
select id, shop_id, user_id, order_id, code, opened_at, next_look_at, watch_since
from diagnoses where shop_id = $1 and code = $2 and ($3::bigint is null or user_id = $3);

-- name: lock_diagnosis
select id from diagnoses where id = $1 for no key update;

-- name: newest_finding
select number, mark, content::text as content, at from findings where diagnosis_id = $1 order by number desc limit 1;

-- name: findings_of
select number, content::text as content, at from findings where diagnosis_id = $1 order by number desc limit $2;

-- name: keep_finding
insert into findings (id, diagnosis_id, number, mark, content, at) values ($1, $2, $3, $4, $5::text::jsonb, $6);

-- name: set_watch
update diagnoses set watch_since = $2, told_at = null, next_look_at = $3 where id = $1 and watch_since is null returning id;

-- name: end_watch
update diagnoses set watch_since = null, told_at = $2, next_look_at = null where id = $1;

-- name: due_diagnoses
select id, shop_id, user_id, order_id, watch_since, next_look_at from diagnoses
where next_look_at <= $1 order by next_look_at limit $2 for update skip locked;

-- name: postpone_diagnosis
update diagnoses set next_look_at = $2 where id = $1;

-- name: page_of
select page_version from pages_facts where order_id = $1 order by at limit 1;

-- name: digests_of
select channel_id, direction, operation, trace, status, duration_us, result, request_sha256, response_sha256, at
from exchange_digests_facts
where order_id = $1 or attempt_id = any ($2) or refund_id = any ($3) order by id limit 200;

-- name: order_of_attempt
select order_id from attempts_facts where attempt_id = $1 and user_id = $2;

-- name: order_of_payment
-- By key, channel by channel: there are few of them.
select a.order_id from channels_facts c
join payments_facts p on p.channel_id = c.channel_id and p.channel_txn = $1
join attempts_facts a on a.attempt_id = p.attempt_id
where c.shop_id = $3 and a.user_id = $2 limit 1;

-- name: unsettled_of
select attempt_id, channel_id, kind from attempts_facts
where shop_id = $1 and user_id = $2 and attempt_id >= $3 and state <> 'paid' order by attempt_id desc limit $4;

-- name: unsettled_attempts
select attempt_id, channel_id, kind from attempts_facts
where order_id = $1 and attempt_id >= $1 and state <> 'paid' order by attempt_id desc limit $2;

-- name: unpaid_orders
select f.order_id from recharge_facts f
where f.shop_id = $1 and f.user_id = $2 and f.order_id >= $3
  and f.state in ('created', 'awaiting_payment', 'closing', 'failed', 'expired', 'cancelled') order by f.order_id desc limit $4;

-- name: next_looks
-- When something happens by itself: the next question to a channel about a payment and about a refund, and a case's clock.
select
  (select min(a.next_query_at) from attempts_facts a where a.order_id = $1 and a.attempt_id >= $1 and a.state not in ('paid', 'closed'))
    as payment_at,
  (select min(r.next_query_at) from refunds_facts r where r.order_id = $1 and r.state in ('reserved', 'sent')) as refund_at,
  c.deadline_at as case_at, coalesce(c.turn = 'user', false) as yours
from (select 1) one left join lateral (
  select f.deadline_at, f.turn from cases_facts f where f.about = $2 and f.closed_at is null order by f.deadline_at limit 1
) c on true;
