-- The ground every room stands on: the first shop, one clock, Shanghai's business day, partitions by id, and the guard of append-only tables.

revoke create on schema public from public;
grant usage on schema public to daozhang_app;
-- A function is nobody's until it is granted: many run with the owner's rights.
alter default privileges revoke execute on functions from public;

create table shops (
  id bigint generated always as identity primary key,
  name text not null check (length(name) between 1 and 64),
  host text unique,
  created_at timestamptz not null
);

-- Test mode may shift time; everything that asks for the time asks clock_now().
create table clock_offset (
  id boolean primary key default true check (id),
  test_mode boolean not null default false,
  offset_s double precision not null default 0 check (test_mode or offset_s = 0)
);
insert into clock_offset default values;

create function clock_now() returns timestamptz
language sql stable parallel safe set search_path = public, pg_temp as $$
  select clock_timestamp() + make_interval(secs => (select offset_s from clock_offset))
$$;

create function shift_clock(p_offset_s double precision) returns double precision
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update clock_offset set offset_s = p_offset_s where test_mode;
  if not found then
    raise exception 'the clock moves in test mode only' using errcode = 'insufficient_privilege';
  end if;
  perform ensure_partitions();
  return p_offset_s;
end $$;

create function business_day(p_at timestamptz) returns date
language sql immutable parallel safe as $$ select (p_at at time zone 'Asia/Shanghai')::date $$;

-- The smallest UUID of version 7 made at a moment: where that moment begins in a table partitioned by id.
create function id_floor(p_at timestamptz) returns uuid
language sql immutable parallel safe as $$
  select (lpad(to_hex(floor(extract(epoch from p_at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

-- Append-only: a row trigger refuses (partitions inherit it); TRUNCATE has a trigger on every leaf.
create function refuse_change() returns trigger
language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;

-- Which tables are cut by month of their id, and what statement triggers each leaf must carry besides its parent.
create table partitioned_tables (
  name text primary key,
  id_column text not null,
  append_only boolean not null,
  leaf_triggers text[] not null default '{}',
  storage text not null
);

-- Twelve months ahead, unless the server's `daozhang.months_ahead` says otherwise (tests clone small databases). A leaf is made beside
-- its parent and then attached: that lets readers and writers of the parent go on, while `create table ... partition of` would queue
-- behind the longest reader and hold everybody up behind itself. A check says beforehand what the leaf may hold, so nothing is scanned.
create function ensure_partitions_of(p_table text) returns integer
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '2s' as $$
declare
  v_table partitioned_tables;
  v_month timestamptz;
  v_first uuid;
  v_next uuid;
  v_leaf text;
  v_trigger text;
  v_made integer := 0;
begin
  perform pg_advisory_xact_lock(hashtext('daozhang.partitions'));
  select * into strict v_table from partitioned_tables where name = p_table;
  for i in -1..coalesce(nullif(current_setting('daozhang.months_ahead', true), '')::integer, 12) loop
    v_month := date_trunc('month', clock_now() at time zone 'UTC') at time zone 'UTC' + make_interval(months => i);
    v_leaf := v_table.name || '_' || to_char(v_month at time zone 'UTC', 'YYYYMM');
    continue when to_regclass('public.' || v_leaf) is not null;
    v_first := id_floor(v_month);
    v_next := id_floor((v_month at time zone 'UTC' + interval '1 month') at time zone 'UTC');
    execute format('create table %I (like %I including defaults including constraints) with (%s)', v_leaf, v_table.name, v_table.storage);
    execute format('alter table %I add constraint in_month check (%I is not null and %2$I >= %L and %2$I < %L)',
      v_leaf, v_table.id_column, v_first, v_next);
    if v_table.append_only then
      execute format('create trigger %I before truncate on %I execute function refuse_change()', v_leaf || '_kept', v_leaf);
    end if;
    foreach v_trigger in array v_table.leaf_triggers loop
      execute format(v_trigger, v_leaf);
    end loop;
    execute format('alter table %I attach partition %I for values from (%L) to (%L)', v_table.name, v_leaf, v_first, v_next);
    execute format('alter table %I drop constraint in_month', v_leaf);
    v_made := v_made + 1;
  end loop;
  return v_made;
end $$;

-- All of them at once: in a migration, and when the test clock moves.
create function ensure_partitions() returns integer
language sql security definer set search_path = public, pg_temp as $$
  select coalesce(sum(ensure_partitions_of(name)), 0)::integer from (select name from partitioned_tables order by name) t
$$;

-- Called by the migration that makes a partitioned table. In a leaf trigger's text %1$I is the leaf.
-- A raw message or a decision of two kilobytes stays in its row: cutting it out and compressing it costs more than it saves.
create function partition_by_month(p_table text, p_append_only boolean, p_leaf_triggers text[] default '{}',
  p_id_column text default 'id', p_storage text default 'toast_tuple_target = 8160')
returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  insert into partitioned_tables (name, id_column, append_only, leaf_triggers, storage)
  values (p_table, p_id_column, p_append_only, p_leaf_triggers, p_storage);
  if p_append_only then
    execute format('create trigger %I before update or delete on %I for each row execute function refuse_change()',
      p_table || '_unchanged', p_table);
    execute format('create trigger %I before truncate on %I execute function refuse_change()', p_table || '_kept', p_table);
  end if;
  perform ensure_partitions_of(p_table);
end $$;

insert into shops (name, created_at) values ('到账', clock_now());

grant execute on function clock_now(), business_day(timestamptz), id_floor(timestamptz), ensure_partitions_of(text),
  shift_clock(double precision) to daozhang_app;
grant select on shops, clock_offset, partitioned_tables to daozhang_app;
