-- name: settings
select name, setting from pg_settings
where name in ('fsync', 'full_page_writes', 'data_checksums', 'synchronous_commit', 'wal_sync_method',
  'default_transaction_isolation', 'server_version', 'server_version_num', 'server_encoding')

-- name: role
select current_user::text as name, r.rolsuper, r.rolcreaterole, r.rolcreatedb,
  (select count(*) from pg_class c where c.relowner = r.oid and c.relkind in ('r', 'p', 'v', 'm', 'S')) as owned,
  exists (select from pg_roles o where o.rolname = 'daozhang_owner' and pg_has_role(r.oid, o.oid, 'member')) as is_owner
from pg_roles r where r.rolname = current_user

-- name: has_table
select to_regclass('public.' || $1::text) is not null

-- name: migrations
select number, name, checksum from migrations order by number

-- name: clock
select extract(epoch from clock_timestamp())::float8 as server_s, (select offset_s from clock_offset) as offset_s

-- name: server_pid
select pg_backend_pid()

-- name: channels
select count(*) as many, count(*) filter (where enabled) as enabled,
  count(*) filter (where enabled and not exists (
    select from channel_keys k where k.channel_id = c.id and k.retired_at is null)) as keyless
from channels c
