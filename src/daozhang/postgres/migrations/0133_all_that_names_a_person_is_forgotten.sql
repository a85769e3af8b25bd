-- Tables that came after the first letting-go (0053) and name a person as well are let go of with the rest.

-- An address for e-mail, the second factor with its recovery codes, a name that waited for people, whom codes were sent to, and by which
-- payer and browser orders came.
-- As in 0053, and of two more tables: by which payer and browser the orders came of a user who was let go of.
create or replace function refuse_change() returns trigger
language plpgsql as $$
declare
  v_user bigint;
begin
  if tg_op = 'UPDATE' and (tg_table_name in ('verifications', 'case_messages', 'phone_words') or tg_table_name ~ '^(order|payer)_marks_') then
    if tg_table_name = 'case_messages' then
      select c.user_id into v_user from public.cases c where c.id = old.case_id;
    else
      v_user := old.user_id;
    end if;
    if exists (select from public.pseudonyms p where p.user_id = v_user) then
      return new;
    end if;
  end if;
  raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;

create function forget_beside(p_users bigint[]) returns void
language sql security definer set search_path = public, pg_temp as $$
  update notice_choices set by_sms = false, by_email = false, email_sealed = null, email_proved_at = null where user_id = any (p_users);
  update factors set secret_sealed = null, wanted_sealed = null, since = null, ends_at = null where user_id = any (p_users);
  delete from recovery_codes where user_id = any (p_users);
  delete from verifications_wanted where user_id = any (p_users);
  update confirmations set subject = sha256(uuid_send(gen_random_uuid())) where user_id = any (p_users);
  update order_marks set device = null, payer = null where user_id = any (p_users) and (device is not null or payer is not null);
  update payer_marks set payer = sha256(uuid_send(gen_random_uuid())) where user_id = any (p_users);
$$;
revoke execute on function forget_beside(bigint[]) from public;

create or replace function pseudonymise(p_shop bigint, p_at timestamptz, p_users bigint[], p_years integer, p_mode text) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_zeros bytea := decode(repeat('00', 34), 'hex');
  v_users bigint[];
begin
  perform from users u where u.id = any (p_users) order by u.id for no key update;
  with gone as (
    insert into pseudonyms (user_id, shop_id, years, mode, at)
    select u.id, p_shop, p_years, p_mode, p_at from users u where u.id = any (p_users) and u.shop_id = p_shop and u.standing = 'closed'
    on conflict do nothing returning user_id
  )
  select coalesce(array_agg(user_id), '{}') into v_users from gone;
  update users set phone_sealed = v_zeros, phone_blind = sha256(uuid_send(gen_random_uuid())) where id = any (v_users);
  update verifications set name_sealed = v_zeros, number_sealed = v_zeros, number_blind = sha256(uuid_send(gen_random_uuid()))
  where user_id = any (v_users);
  delete from credentials where user_id = any (v_users);
  update sessions set address_sealed = v_zeros, agent = '' where user_id = any (v_users);
  update devices set agent = '' where user_id = any (v_users);
  delete from place_days where user_id = any (v_users);
  update orders set client_ip = '' where user_id = any (v_users);
  update attempts set client_ip = '', payer = null, payer_openid = null where user_id = any (v_users);
  update order_waits set wish = v_zeros where user_id = any (v_users);
  update payouts set payee = v_zeros, payee_tail = '****' where user_id = any (v_users);
  update supplies s set target_sealed = v_zeros from purchases b where b.id = s.purchase_id and b.user_id = any (v_users);
  update case_messages m set text_sealed = v_zeros from cases c where c.id = m.case_id and c.user_id = any (v_users);
  update phone_words set text_sealed = null where user_id = any (v_users);
  perform forget_beside(v_users);
  return cardinality(v_users);
end $$;

-- Whoever was let go of before.
do $$
begin
  if exists (select from pseudonyms) then
    perform forget_beside(array(select user_id from pseudonyms));
  end if;
end $$;
