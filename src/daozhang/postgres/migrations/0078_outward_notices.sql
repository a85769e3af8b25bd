-- Messages that leave the site: what is sent where is chosen by its reader, each at most once, and a send outlives a restart.

create table notice_choices (
  user_id bigint primary key references users,
  shop_id bigint not null references shops,
  by_sms boolean not null default false,
  by_email boolean not null default false,
  email_sealed bytea check (octet_length(email_sealed) between 34 and 512),
  email_proved_at timestamptz,
  changed_at timestamptz not null,
  check (not by_email or email_proved_at is not null),
  check ((email_sealed is null) = (email_proved_at is null))
);
comment on column notice_choices.by_sms is 'what is not about the safety of the account, by text message, too';

create table notice_sends (
  id uuid primary key,
  notice_id uuid not null,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  kind text not null,
  via text not null check (via in ('sms', 'email')),
  state text not null default 'due' check (state in ('due', 'sent', 'refused', 'given_up')),
  tries integer not null default 0,
  next_at timestamptz,
  at timestamptz not null,
  ended_at timestamptz,
  unique (notice_id, via),
  check ((state = 'due') = (next_at is not null))
);
create index notice_sends_due on notice_sends (next_at) where next_at is not null;

grant select, insert on notice_choices, notice_sends to daozhang_app;
grant update (by_sms, by_email, email_sealed, email_proved_at, changed_at) on notice_choices to daozhang_app;
grant update (state, tries, next_at, ended_at) on notice_sends to daozhang_app;
