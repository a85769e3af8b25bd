-- A name that the register does not know is looked at by people; and a look at a face may raise the tier of a name that is verified.

-- What somebody says his name and number are, sealed as a verification is and under its identifier, until two people have decided.
create table verifications_wanted (
  id uuid primary key,
  case_id uuid not null unique references cases,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  name_sealed bytea not null check (octet_length(name_sealed) between 34 and 512),
  number_sealed bytea not null check (octet_length(number_sealed) between 34 and 128),
  number_blind bytea not null check (octet_length(number_blind) = 32),
  adult_on date,
  at timestamptz not null
);

-- What was said first stays until it is decided or taken back: nobody swaps a name between the first look and the second.
create function want_verification(
  p_id uuid, p_case uuid, p_name bytea, p_number bytea, p_blind bytea, p_adult_on date, p_at timestamptz
) returns uuid
language sql security definer set search_path = public, pg_temp as $$
  insert into verifications_wanted (id, case_id, shop_id, user_id, name_sealed, number_sealed, number_blind, adult_on, at)
  select p_id, c.id, c.shop_id, c.user_id, p_name, p_number, p_blind, p_adult_on, p_at from cases c
  where c.id = p_case and c.kind = 'verification' and c.user_id is not null and c.state <> 'closed'
  on conflict (case_id) do nothing
  returning id
$$;

-- Only what is wanted in an open case, once: it is gone with the answer, whatever that was.
create function take_wanted_verification(p_case uuid) returns setof verifications_wanted
language sql security definer set search_path = public, pg_temp as $$
  delete from verifications_wanted where case_id = p_case returning *
$$;

-- What was wanted in a case that its user took back.
create function forget_wanted_verifications() returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_gone integer;
begin
  delete from verifications_wanted w using cases c where c.id = w.case_id and c.state = 'closed';
  get diagnostics v_gone = row_count;
  return v_gone;
end $$;

alter table confirmations drop constraint confirmations_purpose_check;
alter table confirmations add constraint confirmations_purpose_check
  check (purpose in ('order', 'login', 'reset', 'unbind', 'unfreeze', 'refund', 'codes', 'name'));

grant select on verifications_wanted to daozhang_app;
grant execute on function want_verification(uuid, uuid, bytea, bytea, bytea, date, timestamptz), take_wanted_verification(uuid),
  forget_wanted_verifications() to daozhang_app;
