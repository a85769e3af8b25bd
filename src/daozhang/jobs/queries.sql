-- name: take_lease
insert into leases (name, holder, until_at) values ($1, $2, clock_now() + $3)
on conflict (name) do update set holder = excluded.holder, until_at = excluded.until_at,
  fence = leases.fence + (leases.holder <> excluded.holder)::integer
where leases.holder = excluded.holder or leases.until_at < clock_now()
returning fence;

-- name: take_slot
insert into timetable (name, slot_at) values ($1, $2)
on conflict (name) do update set slot_at = excluded.slot_at, done_at = null, fault = null where timetable.slot_at < excluded.slot_at
returning slot_at;

-- name: end_slot
update timetable set done_at = $3, fault = $4 where name = $1 and slot_at = $2;

-- name: clock_offset
select offset_s from clock_offset;

-- name: partitioned_tables
select name from partitioned_tables order by name;

-- name: ensure_partitions_of
select ensure_partitions_of($1);

-- name: set_test_mode
update clock_offset set test_mode = $1, offset_s = case when $1 then offset_s else 0 end where test_mode <> $1;

-- name: test_mode
select test_mode from clock_offset;
