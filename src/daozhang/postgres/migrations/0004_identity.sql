-- People with a wallet: sealed numbers, standing with its history, passwords, devices, sessions, pauses, and rate limits.

create table users (
  id bigint generated always as identity primary key,
  shop_id bigint not null references shops,
  phone_sealed bytea not null,
  phone_blind bytea not null check (octet_length(phone_blind) = 32),
  locale text not null check (locale in ('zh', 'en')),
  verification text not null default 'none' check (verification in ('none', 'phone', 'identity', 'face')),
  standing text not null default 'active' check (standing in ('active', 'frozen', 'closed')),
  standing_why text check (length(standing_why) between 1 and 64),
  standing_since timestamptz not null,
  standing_until timestamptz,
  standing_review_at timestamptz,
  created_at timestamptz not null,
  seen_at timestamptz not null,
  unique (shop_id, phone_blind),
  constraint standing_has_a_why check (standing = 'active' or standing_why is not null),
  constraint only_a_freeze_ends check (standing_until is null or standing = 'frozen')
);

-- Every change of standing, by whom and why. A freeze whose time is over lapses by itself and leaves no line.
create table standing_moves (
  id bigint generated always as identity primary key,
  user_id bigint not null references users,
  from_standing text not null,
  to_standing text not null,
  why text not null check (length(why) between 1 and 64),
  note text not null check (length(note) <= 1000),
  actor text not null check (length(actor) between 1 and 64),
  until_at timestamptz,
  review_at timestamptz,
  at timestamptz not null
);
create index on standing_moves (user_id, id);
create trigger standing_moves_unchanged before update or delete on standing_moves for each row execute function refuse_change();
create trigger standing_moves_kept before truncate on standing_moves execute function refuse_change();

create table credentials (
  user_id bigint primary key references users,
  password_hash text not null check (password_hash like '$argon2id$%'),
  changed_at timestamptz not null
);

-- One row per browser and user: a browser that several people use knows each of them.
create table devices (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  token_hash bytea not null check (octet_length(token_hash) = 32),
  agent text not null check (length(agent) <= 120),
  first_seen_at timestamptz not null,
  seen_at timestamptz not null,
  unique (token_hash, user_id)
);
create index on devices (user_id);

-- Staff are apart from users. Nobody is staff until the operator makes the first one: there is no default login.
create table staff (
  id bigint generated always as identity primary key,
  shop_id bigint not null references shops,
  name text not null check (length(name) between 1 and 64),
  password_hash text check (password_hash like '$argon2id$%'),
  active boolean not null default true,
  created_at timestamptz not null,
  unique (shop_id, name)
);

create table staff_roles (
  staff_id bigint not null references staff,
  role text not null check (role in ('owner', 'support', 'risk', 'finance', 'developer', 'oncall')),
  granted_by text not null check (length(granted_by) between 1 and 64),
  granted_at timestamptz not null,
  primary key (staff_id, role)
);

-- The cookie's 32 random bytes are never stored, only their SHA-256.
create table sessions (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint references users,
  staff_id bigint references staff,
  device_id uuid references devices,
  token_hash bytea not null unique check (octet_length(token_hash) = 32),
  agent text not null check (length(agent) <= 120),
  address_sealed bytea not null,
  idle_s integer not null check (idle_s > 0),
  created_at timestamptz not null,
  seen_at timestamptz not null,
  ends_at timestamptz not null,
  ended_at timestamptz,
  ended_why text,
  constraint one_person check (num_nonnulls(user_id, staff_id) = 1)
);
create index on sessions (user_id, created_at) where ended_at is null;
create index on sessions (device_id);

-- Wrong passwords per number and per place they come from. `subject` is the number's blind index whether or not it has an account,
-- so that an unknown number is paused exactly like a known one.
create table login_tries (
  shop_id bigint not null references shops,
  subject bytea not null check (octet_length(subject) = 32),
  whence text not null check (length(whence) between 1 and 64),
  device_id uuid,
  tries integer not null default 0,
  pauses integer not null default 0,
  last_at timestamptz not null,
  locked_until timestamptz,
  primary key (shop_id, subject, whence)
);
create index on login_tries (device_id) where device_id is not null;

-- Counts a try before the password is looked at, so that parallel tries cannot outrun the limit: the last one allowed also begins
-- the pause. Answers how long to wait (0 = go on) and how many tries are left after this one.
create function take_login_try(p_shop_id bigint, p_subject bytea, p_device_id uuid,
  p_whences text[], p_limits integer[], p_pause_s integer[], p_pause_max_s integer[])
returns table (wait_s double precision, left_count integer)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_now timestamptz := clock_now();
  v_until timestamptz;
  v_tries integer;
  v_left integer;
begin
  for i in 1..cardinality(p_whences) loop
    insert into login_tries as t (shop_id, subject, whence, device_id, last_at)
    values (p_shop_id, p_subject, p_whences[i], p_device_id, v_now) on conflict do nothing;
  end loop;
  perform from login_tries t where t.shop_id = p_shop_id and t.subject = p_subject and t.whence = any (p_whences)
    order by t.whence for update;
  v_now := clock_now();
  select max(t.locked_until) into v_until from login_tries t
    where t.shop_id = p_shop_id and t.subject = p_subject and t.whence = any (p_whences) and t.locked_until > v_now;
  if v_until is not null then
    return query select extract(epoch from v_until - v_now)::double precision, 0;
    return;
  end if;
  for i in 1..cardinality(p_whences) loop
    update login_tries t set
      tries = case when t.locked_until is not null or t.last_at < v_now - interval '1 day' then 1 else t.tries + 1 end,
      pauses = case when t.last_at < v_now - interval '1 day' then 0 else t.pauses end,
      locked_until = null,
      last_at = v_now
    where t.shop_id = p_shop_id and t.subject = p_subject and t.whence = p_whences[i]
    returning t.tries into v_tries;
    if v_tries >= p_limits[i] then
      update login_tries t set
        pauses = least(t.pauses + 1, 16),
        locked_until = v_now + make_interval(secs => least(p_pause_max_s[i], p_pause_s[i] * (1 << t.pauses)))
      where t.shop_id = p_shop_id and t.subject = p_subject and t.whence = p_whences[i];
    end if;
    v_left := least(v_left, greatest(p_limits[i] - v_tries, 0));
  end loop;
  return query select 0::double precision, v_left;
end $$;

-- After the right password: the place's own count is forgotten; a count shared with others gets only this one try back.
create function return_login_try(p_shop_id bigint, p_subject bytea, p_own text, p_shared text[])
returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform from login_tries t
    where t.shop_id = p_shop_id and t.subject = p_subject and (t.whence = p_own or t.whence = any (p_shared))
    order by t.whence for update;
  delete from login_tries t where t.shop_id = p_shop_id and t.subject = p_subject and t.whence = p_own;
  update login_tries t set
    tries = greatest(t.tries - 1, 0),
    pauses = case when t.locked_until is null then t.pauses else greatest(t.pauses - 1, 0) end,
    locked_until = null
  where t.shop_id = p_shop_id and t.subject = p_subject and t.whence = any (p_shared);
end $$;

-- The only way a standing changes. Closing is for ever and ends every session; answers the standing before.
create function set_standing(p_user_id bigint, p_to text, p_why text, p_note text, p_actor text,
  p_until_at timestamptz, p_review_at timestamptz)
returns text
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_from text;
  v_now timestamptz;
begin
  select standing into v_from from users where id = p_user_id for update;
  if not found or v_from = 'closed' then
    return v_from;
  end if;
  v_now := clock_now();
  insert into standing_moves (user_id, from_standing, to_standing, why, note, actor, until_at, review_at, at)
  values (p_user_id, v_from, p_to, p_why, p_note, p_actor, p_until_at, p_review_at, v_now);
  update users set standing = p_to, standing_why = case when p_to = 'active' then null else p_why end, standing_since = v_now,
    standing_until = p_until_at, standing_review_at = p_review_at
  where id = p_user_id;
  if p_to = 'closed' then
    update sessions set ended_at = v_now, ended_why = 'closed' where user_id = p_user_id and ended_at is null;
  end if;
  return v_from;
end $$;

-- Ends sessions of one user: one of them (p_only), or all but one (p_except), or all. An ended session never lives again.
create function end_sessions(p_user_id bigint, p_only uuid, p_except uuid, p_why text)
returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_ended integer;
begin
  update sessions set ended_at = clock_now(), ended_why = p_why
  where user_id = p_user_id and ended_at is null and (p_only is null or id = p_only) and (p_except is null or id <> p_except);
  get diagnostics v_ended = row_count;
  return v_ended;
end $$;

-- A user keeps at most p_most living sessions: the ones used longest ago end first. The caller holds the user's row.
create function end_oldest_sessions(p_user_id bigint, p_most integer)
returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_ended integer;
begin
  update sessions set ended_at = clock_now(), ended_why = 'too_many'
  where id in (
    select id from sessions where user_id = p_user_id and ended_at is null order by seen_at desc, id desc offset p_most);
  get diagnostics v_ended = row_count;
  return v_ended;
end $$;

create function end_session_of(p_token_hash bytea, p_why text)
returns bigint
language sql security definer set search_path = public, pg_temp as $$
  update sessions set ended_at = clock_now(), ended_why = p_why
  where token_hash = p_token_hash and ended_at is null returning user_id
$$;

-- Token buckets shared by all processes. Unlogged: after a crash everybody starts with a full bucket, a price worth paying.
create unlogged table buckets (
  name text not null,
  key bytea not null check (octet_length(key) = 16),
  tokens double precision not null,
  taken boolean not null,
  at timestamptz not null,
  primary key (name, key)
) with (fillfactor = 50);

-- Takes p_cost tokens if they are there. Answers 0, or the seconds until they will be.
create function take_tokens(
  p_name text, p_key bytea, p_capacity double precision, p_per_s double precision, p_cost double precision)
returns double precision
language sql security definer set search_path = public, pg_temp as $$
  insert into buckets as b (name, key, tokens, taken, at)
  values (p_name, p_key, p_capacity - p_cost, true, clock_now())
  on conflict (name, key) do update set
    tokens = least(p_capacity, b.tokens + p_per_s * greatest(0, extract(epoch from excluded.at - b.at)))
      - case when least(p_capacity, b.tokens + p_per_s * greatest(0, extract(epoch from excluded.at - b.at))) >= p_cost
          then p_cost else 0 end,
    taken = least(p_capacity, b.tokens + p_per_s * greatest(0, extract(epoch from excluded.at - b.at))) >= p_cost,
    at = greatest(excluded.at, least(b.at, excluded.at + interval '1 minute'))
  returning case when b.taken then 0 else (p_cost - b.tokens) / p_per_s end
$$;

-- Removes what nobody needs any more: sessions ended 90 days ago, devices unused for 400, old counts, full buckets.
create function sweep_identity()
returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_now timestamptz := clock_now();
  v_all bigint := 0;
  v_rows bigint;
begin
  delete from sessions where coalesce(ended_at, ends_at) < v_now - interval '90 days';
  get diagnostics v_rows = row_count;
  v_all := v_all + v_rows;
  delete from devices d
    where d.seen_at < v_now - interval '400 days' and not exists (select from sessions s where s.device_id = d.id);
  get diagnostics v_rows = row_count;
  v_all := v_all + v_rows;
  delete from login_tries where last_at < v_now - interval '2 days' and (locked_until is null or locked_until < v_now);
  get diagnostics v_rows = row_count;
  v_all := v_all + v_rows;
  delete from buckets where at < v_now - interval '1 day';
  get diagnostics v_rows = row_count;
  return v_all + v_rows;
end $$;

-- What policy may know. A freeze whose time is over reads active; locked_until comes only from the user's own known devices,
-- so that a stranger's wrong passwords never stop the owner.
create view identity_facts as
select
  u.id as user_id, u.shop_id,
  case when u.standing = 'frozen' and u.standing_until <= clock_now() then 'active' else u.standing end as standing,
  case when u.standing = 'frozen' and u.standing_until <= clock_now() then null else u.standing_why end as standing_why,
  u.standing_since, u.standing_until, u.standing_review_at,
  (select max(t.locked_until) from devices d join login_tries t on t.device_id = d.id
    where d.user_id = u.id and t.locked_until > clock_now()) as locked_until,
  u.verification, u.created_at,
  (select min(d.first_seen_at) from devices d where d.user_id = u.id) as first_device_at,
  (select c.changed_at from credentials c where c.user_id = u.id) as password_changed_at,
  u.locale
from users u;

revoke execute on function take_login_try(bigint, bytea, uuid, text[], integer[], integer[], integer[]),
  return_login_try(bigint, bytea, text, text[]), set_standing(bigint, text, text, text, text, timestamptz, timestamptz),
  end_sessions(bigint, uuid, uuid, text), end_oldest_sessions(bigint, integer), end_session_of(bytea, text),
  take_tokens(text, bytea, double precision, double precision, double precision), sweep_identity() from public;
grant execute on function take_login_try(bigint, bytea, uuid, text[], integer[], integer[], integer[]),
  return_login_try(bigint, bytea, text, text[]), set_standing(bigint, text, text, text, text, timestamptz, timestamptz),
  end_sessions(bigint, uuid, uuid, text), end_oldest_sessions(bigint, integer), end_session_of(bytea, text),
  take_tokens(text, bytea, double precision, double precision, double precision), sweep_identity() to daozhang_app;
grant select, insert (id, shop_id, phone_sealed, phone_blind, locale, standing_since, created_at, seen_at), update (locale, seen_at)
  on users to daozhang_app;
grant usage on sequence users_id_seq to daozhang_app;
grant select on standing_moves, staff, staff_roles, login_tries, identity_facts to daozhang_app;
grant select, insert, update (password_hash, changed_at) on credentials to daozhang_app;
grant select, insert, update (agent, seen_at) on devices to daozhang_app;
grant select, update (seen_at),
  insert (id, shop_id, user_id, staff_id, device_id, token_hash, agent, address_sealed, idle_s, created_at, seen_at, ends_at)
  on sessions to daozhang_app;
