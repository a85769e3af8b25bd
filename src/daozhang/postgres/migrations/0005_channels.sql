-- Channels are rows with sealed keys, several versions of which hold while keys change; the interface log keeps what was said.

create table channels (
  id bigint generated always as identity primary key,
  shop_id bigint not null references shops,
  kind text not null check (kind ~ '^[a-z][a-z0-9_]{1,31}$'),
  name text not null check (length(name) between 1 and 64),
  merchant text not null check (length(merchant) between 1 and 64),
  app text not null check (length(app) between 1 and 64),
  methods text[] not null check (cardinality(methods) between 1 and 16),
  hosts text[] not null check (cardinality(hosts) between 1 and 4),
  enabled boolean not null default false,
  version bigint not null default 1,
  created_at timestamptz not null,
  changed_at timestamptz not null,
  unique (shop_id, kind, merchant, app)
);

-- What a key version may do ends when it is retired. The newest one signs, every one that is not retired verifies and decrypts.
create table channel_keys (
  channel_id bigint not null references channels,
  version integer not null check (version > 0),
  sealed bytea not null check (octet_length(sealed) between 34 and 65536),
  created_at timestamptz not null,
  retired_at timestamptz,
  primary key (channel_id, version)
);

-- The last assertion that a channel without a key takes no money, whatever a program forgets to ask.
create function channels_need_a_key() returns trigger
language plpgsql as $$
begin
  if new.enabled and not exists (select from channel_keys where channel_id = new.id and retired_at is null) then
    raise exception 'channel % has no key', new.id using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger channels_need_a_key before insert or update on channels for each row execute function channels_need_a_key();

create function channel_keys_stay_one() returns trigger
language plpgsql as $$
begin
  if new.retired_at is not null and exists (select from channels where id = new.channel_id and enabled)
     and not exists (select from channel_keys
                     where channel_id = new.channel_id and retired_at is null and version <> new.version) then
    raise exception 'channel % would lose its last key', new.channel_id using errcode = 'check_violation';
  end if;
  return new;
end $$;
create trigger channel_keys_stay_one before update on channel_keys for each row execute function channel_keys_stay_one();

create view channels_facts as
  select c.id as channel_id, c.shop_id, c.kind, c.name, c.methods, c.enabled,
         exists (select from channel_keys k where k.channel_id = c.id and k.retired_at is null) as keyed
  from channels c;

create table interface_log (
  id uuid primary key,
  shop_id bigint not null,
  channel_id bigint not null,
  order_id uuid,
  attempt_id uuid,
  refund_id uuid,
  direction text not null check (direction in ('out', 'in')),
  operation text not null check (length(operation) between 1 and 40),
  trace text not null check (length(trace) <= 128),
  status integer,
  duration_us bigint not null check (duration_us >= 0),
  result text not null check (length(result) <= 200),
  request text not null check (octet_length(request) <= 8192),
  response text not null check (octet_length(response) <= 8192),
  at timestamptz not null
) partition by range (id);
create index on interface_log (attempt_id) where attempt_id is not null;
create index on interface_log (refund_id) where refund_id is not null;
create index on interface_log (order_id) where order_id is not null;
create index on interface_log (channel_id, id);
select partition_by_month('interface_log', true);

grant select, insert on channels, channel_keys, interface_log to daozhang_app;
grant update (name, methods, hosts, enabled, version, changed_at) on channels to daozhang_app;
grant update (retired_at) on channel_keys to daozhang_app;
grant select on channels_facts to daozhang_app;
