-- A device that its user unbound is not his any more; what it does next, it does as a stranger's.
alter table devices add column unbound_at timestamptz;

create function unbind_device(p_user bigint, p_device uuid, p_at timestamptz) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  -- The browser's token is forgotten: where it is used again, it makes a new device.
  update devices set unbound_at = p_at, token_hash = sha256(token_hash || uuid_send(id))
  where id = p_device and user_id = p_user and unbound_at is null;
  return found;
end $$;

create function unbound_at(p_user bigint) returns timestamptz
language sql stable security definer set search_path = public, pg_temp as $$
  select max(d.unbound_at) from devices d where d.user_id = p_user
$$;
revoke execute on function unbind_device(bigint, uuid, timestamptz), unbound_at(bigint) from public;
grant execute on function unbind_device(bigint, uuid, timestamptz), unbound_at(bigint) to daozhang_app;
