-- name: tell
insert into notices (id, shop_id, user_id, kind, facts, link, at) values ($1, $2, $3, $4, $5::text::jsonb, $6, $7);

-- name: unread
select id, kind, facts::text as facts, link, at, read_at from notices where user_id = $1 and read_at is null order by id desc limit $2;

-- name: count_unread
select count(*) from (select from notices where user_id = $1 and read_at is null limit $2) as waiting;

-- name: mark_read
update notices set read_at = $2 where user_id = $1 and read_at is null and ($3::uuid is null or id = $3);

-- name: recent
select id, kind, facts::text as facts, link, at, read_at from notices where user_id = $1 order by id desc limit $2;
