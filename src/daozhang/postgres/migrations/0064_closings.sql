-- Leaving: who asked for the account to be closed. It closes by itself once nothing of the person's is here any more, and not before.

create table closings (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  asked_at timestamptz not null,
  next_look_at timestamptz,
  ended_at timestamptz,
  ended text check (ended in ('closed', 'withdrawn')),
  check ((ended is null) = (ended_at is null)),
  check (ended is null or next_look_at is null)
);
create unique index closings_open on closings (user_id) where ended is null;
create index closings_due on closings (next_look_at) where next_look_at is not null;

-- What was taken along: a copy of one's data is asked for rarely, and that it was given is on record.
create table exports (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  session_id uuid not null,
  sha256 bytea not null check (octet_length(sha256) = 32),
  at timestamptz not null
);
create index on exports (user_id, id);
create trigger exports_unchanged before update or delete on exports for each row execute function refuse_change();
create trigger exports_kept before truncate on exports execute function refuse_change();

grant select, insert on closings, exports to daozhang_app;
grant update (next_look_at, ended_at, ended) on closings to daozhang_app;
