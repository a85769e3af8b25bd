-- An account that is closed keeps nothing that would open it: the second factor's secret and the address of its letters go, that they were stays.

create function let_go_of_keys(p_user bigint, p_at timestamptz) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update factors set secret_sealed = null, wanted_sealed = null, since = null, ends_at = null,
    ended_at = case when since is null then ended_at else least(p_at, coalesce(ends_at, p_at)) end
  where user_id = p_user and (secret_sealed is not null or wanted_sealed is not null);
  update recovery_codes set void_at = p_at where user_id = p_user and used_at is null and void_at is null;
  update notice_choices set by_sms = false, by_email = false, email_sealed = null, email_proved_at = null, changed_at = p_at
  where user_id = p_user and (by_sms or email_sealed is not null);
end $$;
revoke execute on function let_go_of_keys(bigint, timestamptz) from public;

create function closed_accounts_keep_no_keys() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform let_go_of_keys(new.id, new.standing_since);
  return null;
end $$;
create trigger closed_accounts_keep_no_keys after update of standing on users
  for each row when (new.standing = 'closed' and old.standing <> 'closed') execute function closed_accounts_keep_no_keys();

-- Those that were closed before this was so.
select let_go_of_keys(u.id, u.standing_since) from users u where u.standing = 'closed';
