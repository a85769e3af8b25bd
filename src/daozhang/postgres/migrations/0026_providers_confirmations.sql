-- Providers of messages, faces and names are rows with sealed keys; a confirmation proves that it is really the user, for one operation, once.

create table providers (
  id bigint generated always as identity primary key,
  shop_id bigint not null references shops,
  purpose text not null check (purpose in ('sms', 'face', 'identity')),
  kind text not null check (kind ~ '^[a-z][a-z0-9_]{1,31}$'),
  app text not null check (length(app) between 1 and 64),
  host text not null check (length(host) between 1 and 200),
  secret_sealed bytea not null check (octet_length(secret_sealed) between 34 and 8192),
  enabled boolean not null default false,
  version bigint not null default 1,
  changed_at timestamptz not null,
  unique (shop_id, purpose, kind, app)
);
create unique index providers_one_each on providers (shop_id, purpose) where enabled;

-- `subject` is the user, or for somebody who is not logged in the number's blind index, known or not. `digest` binds it to one operation
-- with its amount. The code itself is nowhere: only an HMAC of it.
create table confirmations (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint references users,
  subject bytea not null check (octet_length(subject) = 32),
  purpose text not null check (purpose in ('order', 'login', 'reset', 'unbind', 'unfreeze', 'refund', 'codes')),
  operation text not null check (length(operation) between 1 and 80),
  digest bytea not null check (octet_length(digest) = 32),
  means text not null check (means in ('sms', 'face')),
  code_hash bytea check (octet_length(code_hash) = 32),
  provider_number text check (length(provider_number) between 1 and 128),
  tries_left integer not null check (tries_left >= 0),
  sends integer not null default 1 check (sends between 1 and 10),
  sent_at timestamptz not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  passed_at timestamptz,
  used_at timestamptz,
  check ((means = 'sms') = (code_hash is not null)),
  check (used_at is null or passed_at is not null)
);
create index on confirmations (subject, purpose, created_at);
create index on confirmations (user_id, operation) where used_at is null;

-- Consent to what needs it of its own (face): given for a version of its words, withdrawn at any time, never edited.
create table consents (
  id uuid primary key,
  user_id bigint not null references users,
  kind text not null check (kind in ('face')),
  version text not null check (length(version) between 1 and 32),
  given boolean not null,
  at timestamptz not null
);
create index on consents (user_id, kind, id);
create trigger consents_unchanged before update or delete on consents for each row execute function refuse_change();
create trigger consents_kept before truncate on consents execute function refuse_change();

create function begin_confirmation(
  p_id uuid, p_shop bigint, p_user bigint, p_subject bytea, p_purpose text, p_operation text, p_digest bytea, p_means text,
  p_code_hash bytea, p_tries integer, p_at timestamptz, p_expires timestamptz
) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  -- A newer one ends the older ones of the same operation: only the last code sent is good.
  update confirmations c set expires_at = p_at
  where c.subject = p_subject and c.purpose = p_purpose and c.operation = p_operation and c.used_at is null and c.passed_at is null
    and c.expires_at > p_at;
  insert into confirmations (id, shop_id, user_id, subject, purpose, operation, digest, means, code_hash, tries_left, sent_at, created_at,
    expires_at)
  values (p_id, p_shop, p_user, p_subject, p_purpose, p_operation, p_digest, p_means, p_code_hash, p_tries, p_at, p_at, p_expires);
end $$;

-- Take a try before the code is compared, so that parallel guesses cannot outrun the limit. Null when it cannot be tried any more.
create function take_confirmation_try(p_id uuid, p_subject bytea, p_at timestamptz) returns confirmations
language sql security definer set search_path = public, pg_temp as $$
  update confirmations set tries_left = tries_left - 1
  where id = p_id and subject = p_subject and means = 'sms' and passed_at is null and used_at is null and expires_at > p_at
    and tries_left > 0
  returning confirmations.*
$$;

create function pass_confirmation(p_id uuid, p_subject bytea, p_at timestamptz) returns uuid
language sql security definer set search_path = public, pg_temp as $$
  update confirmations set passed_at = p_at
  where id = p_id and subject = p_subject and passed_at is null and used_at is null and expires_at > p_at returning id
$$;

-- Use a passed confirmation for the very operation it is bound to, once. A pass is good for p_good after it was given.
create function use_confirmation(p_subject bytea, p_purpose text, p_operation text, p_digest bytea, p_at timestamptz, p_good interval)
returns uuid
language sql security definer set search_path = public, pg_temp as $$
  update confirmations set used_at = p_at
  where id = (
    select c.id from confirmations c
    where c.subject = p_subject and c.purpose = p_purpose and c.operation = p_operation and c.digest = p_digest
      and c.passed_at > p_at - p_good and c.used_at is null
    order by c.id desc limit 1 for update
  ) and used_at is null
  returning id
$$;

create function resend_confirmation(p_id uuid, p_subject bytea, p_code_hash bytea, p_at timestamptz, p_expires timestamptz, p_most integer)
returns confirmations
language sql security definer set search_path = public, pg_temp as $$
  update confirmations set code_hash = p_code_hash, sends = sends + 1, sent_at = p_at, expires_at = p_expires
  where id = p_id and subject = p_subject and means = 'sms' and passed_at is null and used_at is null and sends < p_most
    and expires_at > p_at and tries_left > 0
  returning confirmations.*
$$;

create view confirmations_facts as
  select c.shop_id, c.user_id, c.purpose, c.operation, c.means, c.created_at, c.expires_at, c.passed_at, c.used_at, c.tries_left
  from confirmations c;

grant select on providers, confirmations, consents, confirmations_facts to daozhang_app;
grant insert on providers, consents to daozhang_app;
grant update (host, secret_sealed, enabled, version, changed_at) on providers to daozhang_app;
grant update (provider_number) on confirmations to daozhang_app;
grant execute on function
  begin_confirmation(uuid, bigint, bigint, bytea, text, text, bytea, text, bytea, integer, timestamptz, timestamptz),
  take_confirmation_try(uuid, bytea, timestamptz), pass_confirmation(uuid, bytea, timestamptz),
  use_confirmation(bytea, text, text, bytea, timestamptz, interval),
  resend_confirmation(uuid, bytea, bytea, timestamptz, timestamptz, integer) to daozhang_app;
