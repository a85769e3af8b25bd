-- What people decide about channels: planned maintenance with start and end, and suspensions with the order that asks for them.

create table channel_maintenance (
  id uuid primary key,
  shop_id bigint not null references shops,
  channel_id bigint not null references channels,
  methods text[] not null default '{}' check (cardinality(methods) <= 16),
  begins_at timestamptz not null,
  ends_at timestamptz not null check (ends_at > begins_at),
  note text not null check (length(note) <= 200),
  actor text not null check (length(actor) between 1 and 64),
  created_at timestamptz not null,
  ended_at timestamptz
);
create index on channel_maintenance (shop_id, ends_at);

-- A suspension names one channel, one kind or one class of channels. `reference` is what it rests on: the number of an order, a letter.
create table channel_suspensions (
  id uuid primary key,
  shop_id bigint not null references shops,
  channel_id bigint references channels,
  kind text,
  class text,
  reference text not null check (length(reference) between 1 and 120),
  reason text not null check (length(reason) between 1 and 200),
  actor text not null check (length(actor) between 1 and 64),
  since_at timestamptz not null,
  lifted_at timestamptz check (lifted_at >= since_at),
  lifted_by text,
  check (num_nonnulls(channel_id, kind, class) = 1)
);
create index channel_suspensions_live on channel_suspensions (shop_id) where lifted_at is null;

grant select, insert on channel_maintenance, channel_suspensions to daozhang_app;
grant update (ended_at) on channel_maintenance to daozhang_app;
grant update (lifted_at, lifted_by) on channel_suspensions to daozhang_app;
