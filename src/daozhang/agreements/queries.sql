-- name: publish
insert into agreements (shop_id, version, zh, en, sha256, from_at, author, published_at)
select $1, coalesce(max(a.version), 0) + 1, $2, $3, $4, $5, $6, $7 from agreements a where a.shop_id = $1
returning version

-- name: newest
select sha256 from agreements where shop_id = $1 order by version desc limit 1

-- name: lock_shop
select pg_advisory_xact_lock(hashtext('daozhang.agreements'), $1::integer)

-- name: one
select version, zh, en, sha256, from_at, author, published_at from agreements where shop_id = $1 and version = $2

-- name: present
select version, zh, en, sha256, from_at, author, published_at
from agreements where shop_id = $1 and version = present_agreement($1)

-- name: listed
select a.version, a.sha256, a.from_at, a.author, a.published_at, a.version = present_agreement($1) as present,
  (select count(*) from agreement_consents c where c.shop_id = a.shop_id and c.version = a.version) as consents_count
from agreements a where a.shop_id = $1 order by a.version

-- name: accept
insert into agreement_consents (shop_id, user_id, version, order_id, at)
select $1, u.user_id, u.version, u.order_id, $2
from unnest($3::bigint[], $4::integer[], $5::uuid[]) as u (user_id, version, order_id)
where u.version = present_agreement($1)
order by u.user_id
on conflict do nothing
