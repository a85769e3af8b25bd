-- name: announce
insert into announcements (id, shop_id, kind, zh_title, en_title, zh, en, begins_at, ends_at, author, written_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: current
select id, kind, zh_title, en_title, zh, en, begins_at, ends_at, author, withdrawn_at from announcements
where shop_id = $1 and withdrawn_at is null and begins_at <= $2 and ends_at > $2
order by kind = 'warning' desc, begins_at desc, id desc limit 20;

-- name: listed
select id, kind, zh_title, en_title, zh, en, begins_at, ends_at, author, withdrawn_at from announcements
where shop_id = $1 order by begins_at desc, id desc limit $2;

-- name: past
select id, kind, zh_title, en_title, zh, en, begins_at, ends_at, author, withdrawn_at from announcements
where shop_id = $1 and withdrawn_at is null and ends_at <= $2 and ends_at > $3 order by ends_at desc, id desc limit 50;

-- name: withdraw
update announcements set withdrawn_at = $3 where shop_id = $1 and id = $2 and withdrawn_at is null returning id;
