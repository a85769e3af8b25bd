-- name: lock_keys
select pg_advisory_xact_lock(7310001)

-- name: wraps
select k.number, k.purpose, k.active_from, w.master, w.wrapped
from vault_keys k join vault_wraps w on w.number = k.number
order by k.number

-- name: add_key
insert into vault_keys (number, purpose, active_from, created_at) values ($1, $2, $3, $4)

-- name: add_wrap
insert into vault_wraps (number, master, wrapped) values ($1, $2, $3) on conflict (number, master) do nothing

-- name: forget_master
select vault_forget_master($1)
