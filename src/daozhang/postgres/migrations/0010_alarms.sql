-- Alarms are what a person has to look at: rung once while they are open, counted when they ring again, closed with what was done.

create table alarms (
  id uuid primary key,
  shop_id bigint not null references shops,
  kind text not null check (kind ~ '^[a-z]+(\.[a-z][a-z0-9_]*)+$'),
  key text not null check (length(key) between 1 and 200),
  facts jsonb not null,
  rung_at timestamptz not null,
  last_at timestamptz not null,
  times bigint not null default 1 check (times > 0),
  closed_at timestamptz,
  closed_by text,
  resolution text check (length(resolution) between 1 and 400),
  check ((closed_at is null) = (closed_by is null) and (closed_at is null) = (resolution is null))
);
create unique index alarms_open on alarms (shop_id, kind, key) where closed_at is null;
create index alarms_lately on alarms (shop_id, last_at);

grant select, insert, update (facts, last_at, times, closed_at, closed_by, resolution) on alarms to daozhang_app;
