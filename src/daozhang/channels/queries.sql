-- name: all_channels
select id, shop_id, kind, name, merchant, app, methods, hosts, enabled, version, no_credit from channels order by id

-- name: valid_keys
select version, sealed from channel_keys where channel_id = $1 and retired_at is null order by version desc limit 8

-- name: add_channel
insert into channels (shop_id, kind, name, merchant, app, methods, hosts, created_at, changed_at, no_credit)
values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)
on conflict (shop_id, kind, merchant, app) do nothing
returning id

-- name: add_keys
insert into channel_keys (channel_id, version, sealed, created_at) values ($1, $2, $3, $4)

-- name: lock_channel
select id, kind, merchant, app, hosts from channels where id = $1 for no key update

-- name: set_enabled
update channels set enabled = $2, version = version + 1, changed_at = $3 where id = $1

-- name: set_no_credit
update channels set no_credit = $2, version = version + 1, changed_at = $3 where id = $1

-- name: set_hosts
update channels set hosts = $2, version = version + 1, changed_at = $3 where id = $1

-- name: touch_channel
update channels set version = version + 1, changed_at = $2 where id = $1

-- name: last_key_version
select max(version) from channel_keys where channel_id = $1

-- name: retire_keys
update channel_keys k set retired_at = $3
where channel_id = $1 and version < $2 and retired_at is null
  and exists (select from channel_keys n where n.channel_id = $1 and n.version >= $2 and n.retired_at is null)

-- name: listed_channels
select c.id, c.kind, c.name, c.merchant, c.app, c.methods, c.hosts, c.enabled, c.no_credit,
       (select count(*) from channel_keys k where k.channel_id = c.id and k.retired_at is null)::integer as keys
from channels c order by c.id

-- name: open_certificate_alarms
select kind, key from alarms where shop_id = $1 and closed_at is null and kind like 'channel.certificate_%' and starts_with(key, $2)

-- name: tell_public_address
select tell_public_address($1)

-- name: public_address
select url from public_address
