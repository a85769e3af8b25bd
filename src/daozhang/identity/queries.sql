-- name: shops
select id, host from shops order by id

-- name: next_user_id
select nextval('users_id_seq')

-- name: add_user
insert into users (id, shop_id, phone_sealed, phone_blind, locale, standing_since, created_at, seen_at)
overriding system value
values ($1, $2, $3, $4, $5, clock_now(), clock_now(), clock_now())
on conflict (shop_id, phone_blind) do nothing
returning id

-- name: user_of_phone
select id from users where shop_id = $1 and phone_blind = $2

-- name: add_credential
insert into credentials (user_id, password_hash, changed_at) values ($1, $2, clock_now())

-- name: person_by_phone
select u.id, c.password_hash, c.changed_at, d.id as device_id
from users u
join credentials c on c.user_id = u.id
left join devices d on d.user_id = u.id and d.token_hash = $3
where u.shop_id = $1 and u.phone_blind = $2

-- name: person_by_id
select u.id, u.shop_id, u.phone_sealed, u.phone_blind, u.standing, c.password_hash
from users u join credentials c on c.user_id = u.id
where u.id = $1

-- name: phones
select id, phone_sealed from users where id = any ($1)

-- name: lock_user
select standing from users where id = $1 for no key update

-- name: password_since
select changed_at from credentials where user_id = $1

-- name: replace_password
update credentials set password_hash = $3, changed_at = clock_now() where user_id = $1 and password_hash = $2

-- name: renew_hash
update credentials set password_hash = $3 where user_id = $1 and password_hash = $2

-- name: take_login_try
select wait_s, left_count from take_login_try($1, $2, $3, $4, $5, $6, $7)

-- name: login_pause
select coalesce(extract(epoch from max(locked_until) - clock_now()), 0)::double precision
from login_tries
where shop_id = $1 and subject = $2 and whence = any ($3) and locked_until > clock_now()

-- name: return_login_try
select return_login_try($1, $2, $3, $4)

-- name: take_tokens
select take_tokens($1, $2, $3, $4, $5)

-- name: device_known
select exists (select from devices where token_hash = $1)

-- name: keep_device
insert into devices (id, shop_id, user_id, token_hash, agent, first_seen_at, seen_at)
values ($1, $2, $3, $4, $5, clock_now(), clock_now())
on conflict (token_hash, user_id) do update set agent = excluded.agent, seen_at = excluded.seen_at
returning id

-- name: add_session
insert into sessions
  (id, shop_id, user_id, staff_id, device_id, token_hash, agent, address_sealed, idle_s, created_at, seen_at, ends_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_now(), clock_now(), clock_now() + make_interval(secs => $10))

-- name: session_by_token
select s.id, s.shop_id, s.user_id, s.device_id, s.created_at, s.ends_at, u.locale, u.verification,
  case when u.standing = 'frozen' and u.standing_until <= clock_now() then 'active' else u.standing end as standing,
  u.standing_why, u.standing_office, u.standing_until, u.standing_review_at,
  f.user_id is not null and coalesce(s.proved_at < clock_now() - interval '10 minutes', true) as factor_due,
  s.seen_at < clock_now() - interval '1 minute' as unseen
from sessions s join users u on u.id = s.user_id left join factors_in_force f on f.user_id = u.id
where s.token_hash = $1 and s.ended_at is null and s.ends_at > clock_now()
  and s.seen_at > clock_now() - make_interval(secs => s.idle_s) and u.standing <> 'closed'

-- name: see_session
update sessions set seen_at = clock_now() where id = $1

-- name: sessions_of_user
select id, agent, address_sealed, created_at, seen_at
from sessions
where user_id = $1 and ended_at is null and ends_at > clock_now() and seen_at > clock_now() - make_interval(secs => idle_s)
order by seen_at desc, id desc
limit 100

-- name: end_session_of
select end_session_of($1, $2)

-- name: end_sessions
select end_sessions($1, $2, $3, $4)

-- name: end_oldest_sessions
select end_oldest_sessions($1, $2)

-- name: set_locale
update users set locale = $2 where id = $1 and locale <> $2

-- name: set_standing
select set_standing($1, $2, $3, $4, $5, $6, $7) as before, (select shop_id from users where id = $1) as shop_id

-- name: freeze_user
select freeze_user($1, $2, $3, $4, $5, $6, $7)

-- name: standing_history
select from_standing, to_standing, why, note, actor, until_at, review_at, at
from standing_moves where user_id = $1 order by id

-- name: sweep_identity
select sweep_identity()

-- name: begin_confirmation
select begin_confirmation($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: take_confirmation_try
select id, code_hash, tries_left from take_confirmation_try($1, $2, $3) where id is not null

-- name: pass_confirmation
select pass_confirmation($1, $2, $3)

-- name: use_confirmation
select use_confirmation($1, $2, $3, $4, $5, $6)

-- name: resend_confirmation
select id, means, digest, passed_at, tries_left, sends, sent_at, expires_at
from resend_confirmation($1, $2, $3, $4, $5, $6) where id is not null

-- name: keep_provider_number
update confirmations set provider_number = $2 where id = $1

-- name: open_confirmation
select id, means, passed_at, tries_left, sends, sent_at, expires_at from confirmations
where subject = $1 and purpose = $2 and operation = $3 and digest = $4 and used_at is null
  and ((passed_at is null and expires_at > $5 and tries_left > 0) or passed_at > $6)
order by id desc limit 1

-- name: newest_consent
select version, given from consents where user_id = $1 and kind = $2 order by id desc limit 1

-- name: add_consent
insert into consents (id, user_id, kind, version, given, at) values ($1, $2, $3, $4, $5, $6)

-- name: verify_user
select verify_user($1, $2, $3, $4, $5, $6, $7, $8)

-- name: verified_since
select min(at) from verifications where user_id = $1

-- name: verification
select id, tier, name_sealed, number_sealed, at from verifications where user_id = $1 order by id desc limit 1

-- name: note_view
insert into personal_views (id, shop_id, user_id, what, actor, why, at) values ($1, $2, $3, $4, $5, $6, $7)

-- name: shop_of_user
select shop_id from users where id = $1

-- name: standing_of
select shop_id, standing, standing_why from users where id = $1

-- name: next_staff_id
select nextval('staff_id_seq')

-- name: add_staff
select add_staff($1, $2, $3, $4, $5, $6, $7)

-- name: set_staff_roles
select set_staff_roles($1, $2, $3)

-- name: set_staff_active
select set_staff_active($1, $2)

-- name: set_staff_secrets
select set_staff_secrets($1, $2, $3, $4)

-- name: take_totp_step
select take_totp_step($1, $2)

-- name: prove_session
select prove_session($1)

-- name: staff_by_name
select id, password_hash, totp_sealed, totp_step from staff where shop_id = $1 and name = $2 and active

-- name: any_staff_by_name
select id from staff where shop_id = $1 and name = $2

-- name: all_staff
select s.id, s.name, s.active, s.created_at,
  array(select r.role from staff_roles r where r.staff_id = s.id order by r.role) as roles,
  (select max(e.seen_at) from sessions e where e.staff_id = s.id) as seen_at
from staff s where s.shop_id = $1 order by s.id limit $2

-- name: staff_session
select e.id, e.shop_id, e.staff_id, e.ends_at, coalesce(e.proved_at, e.created_at) as proved_at, s.name,
  array(select r.role from staff_roles r where r.staff_id = s.id order by r.role) as roles,
  e.seen_at < clock_now() - interval '1 minute' as unseen
from sessions e join staff s on s.id = e.staff_id
where e.token_hash = $1 and e.ended_at is null and e.ends_at > clock_now()
  and e.seen_at > clock_now() - make_interval(secs => e.idle_s) and s.active

-- name: may_alone
select count(distinct s.id) = 1 from staff s join staff_roles r on r.staff_id = s.id
where s.shop_id = $1 and r.role = any ($2) and (s.active or s.moved_at > $3::timestamptz - interval '24 hours')

-- name: nobody_else
select count(distinct s.id) <= 1 from staff s join staff_roles r on r.staff_id = s.id
where s.shop_id = $1 and r.role = any ($2) and (s.active or s.moved_at > $3::timestamptz - interval '24 hours')

-- name: set_password
update credentials set password_hash = $2, changed_at = clock_now() where user_id = $1;

-- name: devices_of
select d.id, d.agent, d.first_seen_at, d.seen_at,
  (select c.changed_at from credentials c where c.user_id = d.user_id) < d.first_seen_at as password_older
from devices d where d.user_id = $1 and d.unbound_at is null order by d.seen_at desc limit 50;

-- name: unbind_device
select unbind_device($1, $2, $3);

-- name: sessions_on
select id from sessions where user_id = $1 and device_id = $2 and ended_at is null limit 100;

-- name: factor_in_force
select secret_sealed, step, since, ends_at from factors_in_force where user_id = $1

-- name: factor_asked
select exists (select from factors_in_force f where f.user_id = $1)
  and ($3 or not exists (select from devices d where d.user_id = $1 and d.token_hash = $2 and d.unbound_at is null))

-- name: factor_wanted
select wanted_sealed from factors where user_id = $1

-- name: want_factor
select want_factor($1, $2, $3)

-- name: keep_factor
select keep_factor($1, $2, $3, $4)

-- name: put_recovery_codes
select put_recovery_codes($1, $2, $3, $4)

-- name: recovery_codes_left
select count(*) from recovery_codes where user_id = $1 and used_at is null and void_at is null

-- name: take_factor_step
select take_factor_step($1, $2)

-- name: take_recovery_code
select take_recovery_code($1, $2, $3)

-- name: end_factor
select end_factor($1, $2)

-- name: lose_factor
select lose_factor($1, $2)

-- name: find_factor_again
select find_factor_again($1, $2)

-- name: prove_user_session
select prove_user_session($1)

-- name: password_older_than_freeze
select c.changed_at < u.standing_since - interval '7 days' or c.changed_at < u.created_at + interval '1 minute'
from users u join credentials c on c.user_id = u.id where u.id = $1

-- name: people_viewed
select count(distinct v.user_id) from personal_views v where v.id >= $3 and v.shop_id = $1 and v.actor = $2

-- name: freezes_to_review
select id as user_id, standing_review_at as review_at from users
where shop_id = $1 and standing = 'frozen' and standing_review_at <= $2 and (standing_until is null or standing_until > $2)
order by standing_review_at limit $3;
