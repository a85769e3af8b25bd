-- name: put_provider
insert into providers (shop_id, purpose, kind, app, host, secret_sealed, enabled, changed_at) values ($1, $2, $3, $4, $5, $6, true, $7)
on conflict (shop_id, purpose, kind, app) do update set host = excluded.host, secret_sealed = excluded.secret_sealed, enabled = true,
  version = providers.version + 1, changed_at = excluded.changed_at
returning id

-- name: disable_providers
update providers set enabled = false, version = version + 1, changed_at = $3 where shop_id = $1 and purpose = $2 and enabled

-- name: enabled_providers
select id, purpose, app, host, secret_sealed, version from providers where shop_id = $1 and enabled
