-- Events are the append-only record of what others may hear; leases say which process leads a periodic job.

create sequence events_seq;

create table events (
  id uuid primary key,
  seq bigint not null default nextval('events_seq'),
  xact xid8 not null default pg_current_xact_id(),
  shop_id bigint not null,
  kind text not null,
  order_id uuid,
  user_id bigint,
  actor text not null,
  data jsonb not null,
  at timestamptz not null
) partition by range (id);

-- Readers go by (xact, seq) and stop below the oldest transaction still running, so a late commit is never skipped.
create index on events (xact, seq);
select partition_by_month('events', true);

create table leases (
  name text primary key,
  holder text not null,
  fence bigint not null default 1,
  until_at timestamptz not null
);

-- When a periodic job last ran, for its next slot and for the person on call.
create table timetable (
  name text primary key,
  slot_at timestamptz not null,
  done_at timestamptz,
  fault text
);

grant select, insert on events to daozhang_app;
grant usage on sequence events_seq to daozhang_app;
grant select, insert, update (holder, fence, until_at) on leases to daozhang_app;
grant select, insert, update (slot_at, done_at, fault) on timetable to daozhang_app;
