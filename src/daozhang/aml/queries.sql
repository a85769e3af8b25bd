-- name: add_suspicion
insert into suspicions (id, shop_id, content_sealed, opened_by, opened_at, moved_at) values ($1, $2, $3, $4, $5, $5)

-- name: end_suspicion
select end_suspicion($1, $2, $3, $4, $5)

-- name: suspicions
select id, state, content_sealed, reference, opened_by, opened_at, moved_at from suspicions where shop_id = $1 order by id desc limit $2

-- name: add_step
insert into suspicion_steps (id, shop_id, suspicion_id, what, actor, why, sha256, at) values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: note_large_values
select note_large_values($1, $2, $3, $4)

-- name: large_values
select day, user_id, direction, amount_fen, count, noted_at from large_values where shop_id = $1 order by day desc, amount_fen desc limit $2

-- name: modes_ever
select distinct coalesce(parameters::json -> 'eligibility' ->> 'mode', 'single_purpose_card') as mode from policy_book where shop_id = $1

-- name: forgettable
select user_id from forgettable($1, $2, $3) as f (user_id)

-- name: pseudonymise
select pseudonymise($1, $2, $3, $4, $5)

-- name: forget_messages
select forget_messages($1, $2, $3)
