-- Staff prove themselves twice, and nothing is done at the desk before its line stands in a trail that nobody can change.

alter table staff
  add column totp_sealed bytea check (octet_length(totp_sealed) between 34 and 256),
  add column totp_step bigint not null default 0,
  add column added_by text not null default 'daozhang' check (length(added_by) between 1 and 64),
  add column moved_at timestamptz;
alter table staff_roles drop constraint staff_roles_role_check;
alter table staff_roles add constraint staff_roles_role_check
  check (role in ('owner', 'support', 'risk', 'finance', 'aml', 'developer', 'oncall'));
-- When the person last showed the second factor in this session: what moves money asks for it anew.
alter table sessions add column proved_at timestamptz;
create index on sessions (staff_id) where staff_id is not null and ended_at is null;

create function add_staff(p_id bigint, p_shop bigint, p_name text, p_hash text, p_totp bytea, p_roles text[], p_actor text)
returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_now timestamptz := clock_now();
begin
  insert into staff (id, shop_id, name, password_hash, totp_sealed, added_by, created_at, moved_at)
  overriding system value values (p_id, p_shop, p_name, p_hash, p_totp, p_actor, v_now, v_now)
  on conflict (shop_id, name) do nothing;
  if not found then
    return false;
  end if;
  insert into staff_roles (staff_id, role, granted_by, granted_at) select p_id, r, p_actor, v_now from unnest(p_roles) as r;
  return true;
end $$;

-- The last owner of a shop stays one: else nobody could let anybody in any more.
create function keep_an_owner(p_staff bigint) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if not exists (
    select from staff s join staff_roles r on r.staff_id = s.id
    where s.active and r.role = 'owner' and s.shop_id = (select shop_id from staff where id = p_staff)
  ) then
    raise exception 'staff % is the last owner', p_staff using errcode = 'check_violation', constraint = 'last_owner';
  end if;
end $$;

create function set_staff_roles(p_id bigint, p_roles text[], p_actor text) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_owner boolean;
begin
  perform from staff where shop_id = (select shop_id from staff where id = p_id) order by id for update;
  if not exists (select from staff where id = p_id) then
    return false;
  end if;
  v_owner := exists (select from staff_roles where staff_id = p_id and role = 'owner');
  delete from staff_roles where staff_id = p_id and role <> all (p_roles);
  insert into staff_roles (staff_id, role, granted_by, granted_at)
  select p_id, r, p_actor, clock_now() from unnest(p_roles) as r on conflict do nothing;
  update staff set moved_at = clock_now() where id = p_id;
  if v_owner then
    perform keep_an_owner(p_id);
  end if;
  return true;
end $$;

create function set_staff_active(p_id bigint, p_active boolean) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_owner boolean;
begin
  perform from staff where shop_id = (select shop_id from staff where id = p_id) order by id for update;
  v_owner := exists (select from staff s join staff_roles r on r.staff_id = s.id where s.id = p_id and s.active and r.role = 'owner');
  update staff set active = p_active, moved_at = clock_now() where id = p_id;
  if not found then
    return false;
  end if;
  if not p_active then
    update sessions set ended_at = clock_now(), ended_why = 'disabled' where staff_id = p_id and ended_at is null;
  end if;
  if v_owner then
    perform keep_an_owner(p_id);
  end if;
  return true;
end $$;

-- A new password or second factor ends every session but the one that asked.
create function set_staff_secrets(p_id bigint, p_hash text, p_totp bytea, p_keep uuid) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update staff set password_hash = coalesce(p_hash, password_hash), totp_sealed = coalesce(p_totp, totp_sealed),
    totp_step = case when p_totp is null then totp_step else 0 end, moved_at = clock_now()
  where id = p_id;
  if not found then
    return false;
  end if;
  update sessions set ended_at = clock_now(), ended_why = 'secrets_changed'
  where staff_id = p_id and ended_at is null and id is distinct from p_keep;
  return true;
end $$;

-- A code of the second factor opens once: whoever saw it over a shoulder comes too late, and so does an older one.
create function take_totp_step(p_id bigint, p_step bigint) returns boolean
language sql security definer set search_path = public, pg_temp as $$
  update staff set totp_step = p_step where id = p_id and totp_step < p_step returning true
$$;

create function prove_session(p_session uuid) returns boolean
language sql security definer set search_path = public, pg_temp as $$
  update sessions set proved_at = clock_now() where id = p_session and staff_id is not null and ended_at is null returning true
$$;

-- The trail. A line says who wants to do what, to what, as it stood before, and why; its outcome follows in a line of its own.
create table staff_actions (
  id uuid primary key,
  shop_id bigint not null references shops,
  actor text not null check (length(actor) between 1 and 64),
  staff_id bigint references staff,
  roles text[] not null,
  door text not null check (door in ('desk', 'cli')),
  action text not null check (action ~ '^[a-z]+(\.[a-z_]+)+$' and length(action) <= 64),
  subject text not null check (length(subject) <= 160),
  before text not null check (length(before) <= 4000),
  reason text not null check (length(reason) <= 400),
  at timestamptz not null
);
create index on staff_actions (shop_id, id);
create index on staff_actions (subject, id);
create table staff_outcomes (
  action_id uuid primary key references staff_actions,
  outcome text not null check (outcome in ('done', 'refused', 'unknown')),
  why text not null check (length(why) <= 160),
  after text not null check (length(after) <= 4000),
  at timestamptz not null
);
create trigger staff_actions_unchanged before update or delete on staff_actions for each row execute function refuse_change();
create trigger staff_actions_kept before truncate on staff_actions execute function refuse_change();
create trigger staff_outcomes_unchanged before update or delete on staff_outcomes for each row execute function refuse_change();
create trigger staff_outcomes_kept before truncate on staff_outcomes execute function refuse_change();

revoke execute on function add_staff(bigint, bigint, text, text, bytea, text[], text), keep_an_owner(bigint),
  set_staff_roles(bigint, text[], text), set_staff_active(bigint, boolean), set_staff_secrets(bigint, text, bytea, uuid),
  take_totp_step(bigint, bigint), prove_session(uuid) from public;
grant execute on function add_staff(bigint, bigint, text, text, bytea, text[], text), set_staff_roles(bigint, text[], text),
  set_staff_active(bigint, boolean), set_staff_secrets(bigint, text, bytea, uuid), take_totp_step(bigint, bigint),
  prove_session(uuid) to daozhang_app;
grant usage on sequence staff_id_seq to daozhang_app;
grant select, insert on staff_actions, staff_outcomes to daozhang_app;
