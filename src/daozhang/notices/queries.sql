-- name: tell
-- A message, and what of it leaves the site: what is about the safety of the account by text message always, all else as its reader chose.
with told as (
  insert into notices (id, shop_id, user_id, kind, facts, link, at) values ($1, $2, $3, $4, $5::text::jsonb, $6, $7)
  returning id, shop_id, user_id, kind, at
)
insert into notice_sends (id, notice_id, shop_id, user_id, kind, via, next_at, at)
select v.id, t.id, t.shop_id, t.user_id, t.kind, v.via, t.at, t.at
from told t cross join (values ($8::uuid, 'sms'), ($9::uuid, 'email')) v (id, via)
left join notice_choices c on c.user_id = t.user_id
where case when v.via = 'sms' then $10::boolean or coalesce(c.by_sms, false) else coalesce(c.by_email, false) end;

-- name: unread
select id, kind, facts::text as facts, link, at, read_at from notices where user_id = $1 and read_at is null order by id desc limit $2;

-- name: count_unread
select count(*) from (select from notices where user_id = $1 and read_at is null limit $2) as waiting;

-- name: mark_read
update notices set read_at = $2 where user_id = $1 and read_at is null and ($3::uuid is null or id = $3);

-- name: recent
select id, kind, facts::text as facts, link, at, read_at from notices where user_id = $1 order by id desc limit $2;
