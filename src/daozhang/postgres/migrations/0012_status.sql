-- Live state of channels: what happened by second and by day, one breaker per way to pay for all processes, and the incidents it makes.

-- Counts of one second. Written together by each process, kept for an hour. `run` is the weight of failures since the last success.
create table status_slots (
  slot_at timestamptz not null,
  channel_id bigint not null,
  method text not null check (length(method) <= 32),
  bank text not null check (length(bank) <= 32),
  good integer not null,
  bad integer not null,
  run integer not null,
  slow integer not null,
  users integer not null,
  ours integer not null,
  paid integer not null,
  late integer not null,
  unpaid integer not null,
  took integer[] not null,
  lag integer[] not null,
  primary key (slot_at, channel_id, method, bank)
) with (fillfactor = 70);

-- The same by business day, kept for good: what the ninety days on the status page are made of.
create table status_days (
  day date not null,
  channel_id bigint not null,
  method text not null check (length(method) <= 32),
  bank text not null check (length(bank) <= 32),
  good bigint not null,
  bad bigint not null,
  slow bigint not null,
  users bigint not null,
  ours bigint not null,
  paid bigint not null,
  late bigint not null,
  unpaid bigint not null,
  took bigint[] not null,
  lag bigint[] not null,
  primary key (day, channel_id, method, bank)
) with (fillfactor = 70);

create table status_breakers (
  channel_id bigint not null references channels,
  method text not null check (length(method) between 1 and 32),
  phase text not null check (phase in ('closed', 'tripped', 'trial')),
  degraded text not null,
  sign text not null,
  version integer not null,
  since_at timestamptz not null,
  trial_at timestamptz not null,
  probation_until timestamptz not null,
  base_good integer not null,
  base_bad integer not null,
  trial_left integer not null,
  trial_filled_at timestamptz not null,
  primary key (channel_id, method)
);

create table status_incidents (
  id uuid primary key,
  shop_id bigint not null references shops,
  channel_id bigint not null references channels,
  method text not null check (length(method) between 1 and 32),
  severity text not null check (severity in ('down', 'degraded')),
  sign text not null,
  facts jsonb not null,
  began_at timestamptz not null,
  ended_at timestamptz check (ended_at >= began_at)
);
create unique index status_incidents_open on status_incidents (channel_id, method) where ended_at is null;
create index on status_incidents (shop_id, began_at);

create function add_counts(p_one bigint[], p_other bigint[]) returns bigint[]
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select array_agg(coalesce(u.a, 0) + coalesce(u.b, 0) order by u.n) from unnest(p_one, p_other) with ordinality as u (a, b, n)
$$;

-- Both tables at once, each in the order of its key: processes that add at the same time wait for each other and never in a circle.
create function status_add(
  p_at timestamptz, p_channels bigint[], p_methods text[], p_banks text[], p_slots timestamptz[], p_good integer[], p_bad integer[],
  p_run integer[], p_slow integer[], p_users integer[], p_ours integer[], p_paid integer[], p_late integer[], p_unpaid integer[],
  p_took integer[], p_lag integer[]
) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into status_slots as s (slot_at, channel_id, method, bank, good, bad, run, slow, users, ours, paid, late, unpaid, took, lag)
  select u.slot_at, u.channel_id, u.method, u.bank, u.good, u.bad, u.run, u.slow, u.users, u.ours, u.paid, u.late, u.unpaid,
    p_took[(u.n - 1) * 8 + 1 : u.n * 8], p_lag[(u.n - 1) * 8 + 1 : u.n * 8]
  from unnest(p_channels, p_methods, p_banks, p_slots, p_good, p_bad, p_run, p_slow, p_users, p_ours, p_paid, p_late, p_unpaid)
    with ordinality as u (channel_id, method, bank, slot_at, good, bad, run, slow, users, ours, paid, late, unpaid, n)
  where u.slot_at > p_at - interval '1 hour'
  order by u.slot_at, u.channel_id, u.method, u.bank
  on conflict (slot_at, channel_id, method, bank) do update set
    run = case when excluded.good = 0 then s.run + excluded.run else excluded.run end,
    good = s.good + excluded.good, bad = s.bad + excluded.bad, slow = s.slow + excluded.slow, users = s.users + excluded.users,
    ours = s.ours + excluded.ours, paid = s.paid + excluded.paid, late = s.late + excluded.late, unpaid = s.unpaid + excluded.unpaid,
    took = add_counts(s.took::bigint[], excluded.took::bigint[])::integer[],
    lag = add_counts(s.lag::bigint[], excluded.lag::bigint[])::integer[];
  insert into status_days as d (day, channel_id, method, bank, good, bad, slow, users, ours, paid, late, unpaid, took, lag)
  select business_day(u.slot_at), u.channel_id, u.method, u.bank, sum(u.good), sum(u.bad), sum(u.slow), sum(u.users), sum(u.ours),
    sum(u.paid), sum(u.late), sum(u.unpaid),
    array[sum(p_took[u.n * 8 - 7]), sum(p_took[u.n * 8 - 6]), sum(p_took[u.n * 8 - 5]), sum(p_took[u.n * 8 - 4]),
          sum(p_took[u.n * 8 - 3]), sum(p_took[u.n * 8 - 2]), sum(p_took[u.n * 8 - 1]), sum(p_took[u.n * 8])],
    array[sum(p_lag[u.n * 8 - 7]), sum(p_lag[u.n * 8 - 6]), sum(p_lag[u.n * 8 - 5]), sum(p_lag[u.n * 8 - 4]),
          sum(p_lag[u.n * 8 - 3]), sum(p_lag[u.n * 8 - 2]), sum(p_lag[u.n * 8 - 1]), sum(p_lag[u.n * 8])]
  from unnest(p_channels, p_methods, p_banks, p_slots, p_good, p_bad, p_run, p_slow, p_users, p_ours, p_paid, p_late, p_unpaid)
    with ordinality as u (channel_id, method, bank, slot_at, good, bad, run, slow, users, ours, paid, late, unpaid, n)
  group by 1, 2, 3, 4
  order by 1, 2, 3, 4
  on conflict (day, channel_id, method, bank) do update set
    good = d.good + excluded.good, bad = d.bad + excluded.bad, slow = d.slow + excluded.slow, users = d.users + excluded.users,
    ours = d.ours + excluded.ours, paid = d.paid + excluded.paid, late = d.late + excluded.late, unpaid = d.unpaid + excluded.unpaid,
    took = add_counts(d.took, excluded.took), lag = add_counts(d.lag, excluded.lag);
end $$;

-- Seconds older than an hour are in their day already.
create function status_sweep(p_at timestamptz) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_gone integer;
begin
  delete from status_slots where slot_at < p_at - interval '1 hour';
  get diagnostics v_gone = row_count;
  return v_gone;
end $$;

-- A breaker moves when nobody else moved it since it was read (version 0: it was not there). Its incident begins and ends with it.
create function status_move(
  p_at timestamptz, p_channel bigint, p_method text, p_version integer, p_phase text, p_degraded text, p_sign text,
  p_since timestamptz, p_trial_at timestamptz, p_probation timestamptz, p_base_good integer, p_base_bad integer, p_tokens integer,
  p_incident uuid, p_severity text, p_incident_sign text, p_facts text, p_began timestamptz
) returns table (ended uuid, ended_severity text, began uuid)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_open status_incidents;
begin
  if p_version = 0 then
    insert into status_breakers values (p_channel, p_method, p_phase, p_degraded, p_sign, 1, p_since, p_trial_at, p_probation,
      p_base_good, p_base_bad, p_tokens, p_at)
    on conflict do nothing;
  else
    update status_breakers b set phase = p_phase, degraded = p_degraded, sign = p_sign, version = b.version + 1, since_at = p_since,
      trial_at = p_trial_at, probation_until = p_probation, base_good = p_base_good, base_bad = p_base_bad, trial_left = p_tokens,
      trial_filled_at = p_at
    where b.channel_id = p_channel and b.method = p_method and b.version = p_version;
  end if;
  if not found then
    return;
  end if;
  select i.* into v_open from status_incidents i where i.channel_id = p_channel and i.method = p_method and i.ended_at is null;
  if v_open.severity is distinct from p_severity then
    update status_incidents i set ended_at = greatest(p_at, i.began_at) where i.id = v_open.id;
    ended := v_open.id;
    ended_severity := v_open.severity;
    if p_severity is not null then
      insert into status_incidents (id, shop_id, channel_id, method, severity, sign, facts, began_at)
      select p_incident, c.shop_id, p_channel, p_method, p_severity, p_incident_sign, p_facts::jsonb, p_began
      from channels c where c.id = p_channel;
      began := p_incident;
    end if;
  end if;
  return next;
end $$;

-- One of the few that are let through in a trial, whoever counts: true when the caller may go on.
create function status_take_trial(p_at timestamptz, p_channel bigint, p_method text, p_tokens integer, p_refill interval) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_phase text;
begin
  update status_breakers b
  set trial_left = case when b.trial_filled_at <= p_at - p_refill then p_tokens else b.trial_left end - 1,
    trial_filled_at = case when b.trial_filled_at <= p_at - p_refill then p_at else b.trial_filled_at end
  where b.channel_id = p_channel and b.method = p_method and b.phase = 'trial'
    and (b.trial_left > 0 or b.trial_filled_at <= p_at - p_refill);
  if found then
    return true;
  end if;
  select b.phase into v_phase from status_breakers b where b.channel_id = p_channel and b.method = p_method;
  return coalesce(v_phase, 'closed') = 'closed';
end $$;

grant select on status_slots, status_days, status_breakers, status_incidents to daozhang_app;
grant execute on function status_sweep(timestamptz), status_take_trial(timestamptz, bigint, text, integer, interval),
  add_counts(bigint[], bigint[]) to daozhang_app;
grant execute on function status_add(timestamptz, bigint[], text[], text[], timestamptz[], integer[], integer[], integer[], integer[],
  integer[], integer[], integer[], integer[], integer[], integer[], integer[]) to daozhang_app;
grant execute on function status_move(timestamptz, bigint, text, integer, text, text, text, timestamptz, timestamptz, timestamptz, integer,
  integer, integer, uuid, text, text, text, timestamptz) to daozhang_app;
