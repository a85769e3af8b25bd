-- Who a user really is: sealed, found again only by a blind index, each look by a person on record.

create table verifications (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  tier text not null check (tier in ('identity', 'face')),
  name_sealed bytea not null check (octet_length(name_sealed) between 34 and 512),
  number_sealed bytea not null check (octet_length(number_sealed) between 34 and 128),
  number_blind bytea not null check (octet_length(number_blind) = 32),
  adult_on date,
  at timestamptz not null
);
create unique index verifications_of_user on verifications (user_id, tier);
create index on verifications (shop_id, number_blind);
create trigger verifications_unchanged before update or delete on verifications for each row execute function refuse_change();
create trigger verifications_kept before truncate on verifications execute function refuse_change();

-- Whoever reads a name or a number in clear leaves a line: who, whose, what for.
create table personal_views (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  what text not null check (what in ('identity', 'phone', 'evidence')),
  actor text not null check (length(actor) between 1 and 64),
  why text not null check (length(why) between 1 and 200),
  at timestamptz not null
);
create index on personal_views (user_id, id);
create trigger personal_views_unchanged before update or delete on personal_views for each row execute function refuse_change();
create trigger personal_views_kept before truncate on personal_views execute function refuse_change();

-- The only way a tier rises: with what proves it. It never falls; a closed user stays as it is.
create function verify_user(
  p_id uuid, p_user bigint, p_tier text, p_name bytea, p_number bytea, p_blind bytea, p_adult_on date, p_at timestamptz
) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_user users;
begin
  select * into v_user from users where id = p_user for no key update;
  if not found or v_user.standing = 'closed' then
    return false;
  end if;
  if exists (select from verifications v where v.user_id = p_user and v.number_blind <> p_blind) then
    raise exception 'user % is somebody else already', p_user using errcode = 'check_violation', constraint = 'verified_once';
  end if;
  insert into verifications (id, shop_id, user_id, tier, name_sealed, number_sealed, number_blind, adult_on, at)
  values (p_id, v_user.shop_id, p_user, p_tier, p_name, p_number, p_blind, p_adult_on, p_at)
  on conflict (user_id, tier) do nothing;
  update users set verification = p_tier
  where id = p_user and array_position(array['none', 'phone', 'identity', 'face'], verification)
    < array_position(array['none', 'phone', 'identity', 'face'], p_tier);
  return true;
end $$;

create view verification_facts as
  select v.user_id, v.shop_id, v.tier, v.at, v.adult_on is not null and v.adult_on > business_day(clock_now()) as minor,
    (select count(distinct w.user_id) from verifications w where w.shop_id = v.shop_id and w.number_blind = v.number_blind) as same_person_count
  from verifications v where v.tier = 'identity';

grant select on verifications, personal_views, verification_facts to daozhang_app;
grant insert on personal_views to daozhang_app;
grant execute on function verify_user(uuid, bigint, text, bytea, bytea, bytea, date, timestamptz) to daozhang_app;
