-- The user's own second factor: asked for on a browser that is not known, and before what a stranger at the screen must not do.

create table factors (
  user_id bigint primary key references users,
  shop_id bigint not null references shops,
  secret_sealed bytea check (octet_length(secret_sealed) between 34 and 256),
  wanted_sealed bytea check (octet_length(wanted_sealed) between 34 and 256),
  step bigint not null default 0,
  since timestamptz,
  ends_at timestamptz,
  ended_at timestamptz,
  check ((secret_sealed is null) = (since is null)),
  check (ends_at is null or since is not null)
);
comment on column factors.wanted_sealed is 'shown, and not yet proved to be in an authenticator';
comment on column factors.ends_at is 'lost: two people agreed that it ends then, unless its owner keeps it';

-- Codes for the day the telephone is gone. Each opens once; a new set makes the one before void.
create table recovery_codes (
  id uuid primary key,
  user_id bigint not null references users,
  code_blind bytea not null check (octet_length(code_blind) = 32),
  made_at timestamptz not null,
  used_at timestamptz,
  void_at timestamptz,
  check (used_at is null or void_at is null)
);
create unique index recovery_codes_live on recovery_codes (user_id, code_blind) where used_at is null and void_at is null;

grant select on factors, recovery_codes to daozhang_app;

create view factors_in_force as
  select user_id, shop_id, secret_sealed, step, since, ends_at from factors
  where since is not null and (ends_at is null or ends_at > clock_now());
grant select on factors_in_force to daozhang_app;

create function want_factor(p_user bigint, p_shop bigint, p_sealed bytea) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into factors (user_id, shop_id, wanted_sealed) values (p_user, p_shop, p_sealed)
  on conflict (user_id) do update set wanted_sealed = excluded.wanted_sealed
  where not exists (select from factors_in_force f where f.user_id = p_user);
  return found;
end $$;

create function put_recovery_codes(p_user bigint, p_ids uuid[], p_blinds bytea[], p_at timestamptz) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update recovery_codes set void_at = p_at where user_id = p_user and used_at is null and void_at is null;
  insert into recovery_codes (id, user_id, code_blind, made_at)
  select i, p_user, b, p_at from unnest(p_ids, p_blinds) as given (i, b);
end $$;

-- What was shown is in the authenticator: from now on it is asked for. The very code that proved it opens nothing again.
create function keep_factor(p_user bigint, p_sealed bytea, p_step bigint, p_at timestamptz) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update factors set secret_sealed = wanted_sealed, wanted_sealed = null, step = p_step, since = p_at,
    ended_at = greatest(ended_at, case when ends_at <= p_at then ends_at end), ends_at = null
  where user_id = p_user and wanted_sealed = p_sealed and (since is null or ends_at <= p_at);
  return found;
end $$;

create function take_factor_step(p_user bigint, p_step bigint) returns boolean
language sql security definer set search_path = public, pg_temp as $$
  update factors set step = p_step where user_id = p_user and since is not null and step < p_step returning true
$$;

create function take_recovery_code(p_user bigint, p_blind bytea, p_at timestamptz) returns boolean
language sql security definer set search_path = public, pg_temp as $$
  update recovery_codes set used_at = p_at
  where user_id = p_user and code_blind = p_blind and used_at is null and void_at is null returning true
$$;

create function end_factor(p_user bigint, p_at timestamptz) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update recovery_codes set void_at = p_at where user_id = p_user and used_at is null and void_at is null;
  update factors set secret_sealed = null, wanted_sealed = null, since = null, ends_at = null, ended_at = p_at
  where user_id = p_user and since is not null;
  return found;
end $$;

create function lose_factor(p_user bigint, p_ends_at timestamptz) returns boolean
language sql security definer set search_path = public, pg_temp as $$
  update factors set ends_at = p_ends_at where user_id = p_user and since is not null and ends_at is null returning true
$$;

create function find_factor_again(p_user bigint, p_at timestamptz) returns boolean
language sql security definer set search_path = public, pg_temp as $$
  update factors set ends_at = null where user_id = p_user and since is not null and ends_at > p_at returning true
$$;

create function prove_user_session(p_session uuid) returns boolean
language sql security definer set search_path = public, pg_temp as $$
  update sessions set proved_at = clock_now() where id = p_session and user_id is not null and ended_at is null returning true
$$;

-- An account whose second factor went away cools down as one whose device was unbound.
create or replace function unbound_at(p_user bigint) returns timestamptz
language sql stable security definer set search_path = public, pg_temp as $$
  select greatest(
    (select max(d.unbound_at) from devices d where d.user_id = p_user),
    (select greatest(f.ended_at, case when f.ends_at <= clock_now() then f.ends_at end) from factors f where f.user_id = p_user)
  )
$$;

revoke execute on function want_factor(bigint, bigint, bytea), put_recovery_codes(bigint, uuid[], bytea[], timestamptz),
  keep_factor(bigint, bytea, bigint, timestamptz), take_factor_step(bigint, bigint), take_recovery_code(bigint, bytea, timestamptz),
  end_factor(bigint, timestamptz), lose_factor(bigint, timestamptz), find_factor_again(bigint, timestamptz), prove_user_session(uuid)
  from public;
grant execute on function want_factor(bigint, bigint, bytea), put_recovery_codes(bigint, uuid[], bytea[], timestamptz),
  keep_factor(bigint, bytea, bigint, timestamptz), take_factor_step(bigint, bigint), take_recovery_code(bigint, bytea, timestamptz),
  end_factor(bigint, timestamptz), lose_factor(bigint, timestamptz), find_factor_again(bigint, timestamptz), prove_user_session(uuid)
  to daozhang_app;
