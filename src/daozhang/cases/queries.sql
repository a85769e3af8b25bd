-- name: open_case
select open_case($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9, $10, $11, $12)

-- name: lock_case
select id, shop_id, user_id, kind, about, state, version, question, facts::text as facts, verdict, verdict_why, proposed_by, opened_at,
  moved_at, answer_by, deadline_at, escalated_at, closed_at
from lock_case($1)

-- name: one_case
select id, shop_id, user_id, kind, about, state, version, question, facts::text as facts, verdict, verdict_why, proposed_by, opened_at,
  moved_at, answer_by, deadline_at, escalated_at, closed_at
from cases where id = $1 and ($2::bigint is null or user_id = $2)

-- name: of_user
select id, shop_id, user_id, kind, about, state, version, question, facts::text as facts, verdict, verdict_why, proposed_by, opened_at,
  moved_at, answer_by, deadline_at, escalated_at, closed_at
from cases where user_id = $1 order by id desc limit $2

-- name: queue
select id, shop_id, user_id, kind, about, state, version, question, facts::text as facts, verdict, verdict_why, proposed_by, opened_at,
  moved_at, answer_by, deadline_at, escalated_at, closed_at
from cases where shop_id = $1 and state in ('need_staff', 'second') order by escalated_at nulls last, deadline_at limit $2

-- name: unfinished
select id, shop_id, user_id, kind, about, state, version, question, facts::text as facts, verdict, verdict_why, proposed_by, opened_at,
  moved_at, answer_by, deadline_at, escalated_at, closed_at
from cases where shop_id = $1 and state <> 'closed'
order by escalated_at nulls last, (state = 'need_user'), deadline_at limit $2

-- name: case_history
select move, to_state, actor, verdict, why, at from case_moves where case_id = $1 order by version

-- name: proposed_at
select proposed_at from cases where id = $1

-- name: open_about
select id from cases where shop_id = $1 and kind = $2 and about = $3 and state <> 'closed'

-- name: move_case
select move_case($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

-- name: escalate_case
select escalate_case($1, $2, $3)

-- name: add_message
insert into case_messages (id, case_id, actor, text_sealed, at) values ($1, $2, $3, $4, $5)

-- name: messages
select id, actor, text_sealed, at from case_messages where case_id = $1 order by id

-- name: add_evidence
insert into case_evidence (id, case_id, actor, media_type, sha256, width, height, content_sealed, at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: evidence
select id, actor, width, height, sha256, at, gone_at is not null as gone from case_evidence where case_id = $1 order by id

-- name: picture
select c.shop_id, c.user_id, e.content_sealed from case_evidence e join cases c on c.id = e.case_id where e.case_id = $1 and e.id = $2

-- name: due_cases
select id from cases where next_look_at <= $1 order by next_look_at limit $2 for update skip locked

-- name: postpone_case
update cases set next_look_at = $2 where id = $1

-- name: forget_evidence
select forget_evidence($1, $2)

-- name: lock_user_of
select lock_users(array(select user_id from cases where id = $1 and user_id is not null))

-- name: escalated
select kind, count(*) as waiting, (array_agg(id order by escalated_at desc, id desc))[1] as newest,
  (array_agg(id order by escalated_at, id))[1] as oldest
from cases where shop_id = $1 and state in ('need_staff', 'second') and escalated_at is not null group by kind

-- name: want_verification
select want_verification($1, $2, $3, $4, $5, $6, $7)

-- name: wanted_verification
select id, name_sealed, number_sealed from verifications_wanted where case_id = $1

-- name: take_wanted_verification
select id, user_id, name_sealed, number_sealed, number_blind, adult_on from take_wanted_verification($1)

-- name: forget_wanted
select forget_wanted_verifications()
