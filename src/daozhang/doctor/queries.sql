-- name: settings
select name, setting from pg_settings
where name in ('fsync', 'full_page_writes', 'data_checksums', 'synchronous_commit', 'synchronous_standby_names',
  'wal_sync_method', 'default_transaction_isolation', 'server_version', 'server_version_num', 'server_encoding')

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

-- name: test_mode
select test_mode from clock_offset

-- name: server_pid
select pg_backend_pid()

-- name: channels
select count(*) as many, count(*) filter (where enabled) as enabled,
  count(*) filter (where enabled and not exists (
    select from channel_keys k where k.channel_id = c.id and k.retired_at is null)) as keyless
from channels c

-- name: months_missing
-- The first month, from this one on, for which a table has no leaf. A leaf that was detached is none, though it is still there.
with months as (
  select i, date_trunc('month', clock_now() at time zone 'UTC') at time zone 'UTC' + make_interval(months => i) as month
  from generate_series(0, coalesce(nullif(current_setting('daozhang.months_ahead', true), '')::integer, 12)) i
)
select p.name, min(m.i) as ahead, to_char(min(m.month) at time zone 'UTC', 'YYYY-MM') as month,
  (select max(i) from months) as wanted
from partitioned_tables p cross join months m
where not exists (
  select from pg_inherits h where h.inhparent = to_regclass('public.' || p.name)
    and h.inhrelid = to_regclass('public.' || p.name || '_' || to_char(m.month at time zone 'UTC', 'YYYYMM')))
group by p.name order by ahead, p.name
