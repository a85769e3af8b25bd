-- name: put_provider
insert into providers (shop_id, purpose, kind, app, host, secret_sealed, enabled, changed_at) values ($1, $2, $3, $4, $5, $6, true, $7)
on conflict (shop_id, purpose, kind, app) do update set host = excluded.host, secret_sealed = excluded.secret_sealed, enabled = true,
  version = providers.version + 1, changed_at = excluded.changed_at
returning id

-- name: disable_providers
update providers set enabled = false, version = version + 1, changed_at = $3 where shop_id = $1 and purpose = $2 and enabled returning id

-- name: enabled_providers
select id, purpose, app, host, secret_sealed, version from providers where shop_id = $1 and enabled

-- name: heard_well
-- The first good answer after trouble ends it; a good one after good ones writes nothing.
insert into provider_hearing (shop_id, purpose, good_at) values ($1, $2, $3)
on conflict (shop_id, purpose) do update set troubled_since = null, troubles = 0, newest = null, said = '', good_at = excluded.good_at
where provider_hearing.troubled_since is not null

-- name: heard_badly
insert into provider_hearing (shop_id, purpose, troubled_since, troubles, newest, said) values ($1, $2, $3, 1, $4, $5)
on conflict (shop_id, purpose) do update set troubled_since = coalesce(provider_hearing.troubled_since, excluded.troubled_since),
  troubles = provider_hearing.troubles + 1, newest = excluded.newest, said = excluded.said

-- name: heard_anew
-- Another one is in use, or nobody: what the one before it said counts no more.
update provider_hearing set troubled_since = null, troubles = 0, newest = null, said = '', good_at = null where shop_id = $1 and purpose = $2

-- name: in_trouble
select purpose, troubled_since, troubles, newest, said, good_at from provider_hearing
where shop_id = $1 and troubled_since <= $2 and troubles >= $3 order by purpose

-- name: listed_providers
select p.purpose, p.kind, p.app, p.host, h.troubled_since, coalesce(h.troubles, 0) as troubles, h.good_at
from providers p left join provider_hearing h on h.shop_id = p.shop_id and h.purpose = p.purpose
where p.shop_id = $1 and p.enabled order by p.purpose
