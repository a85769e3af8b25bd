-- A settlement's columns are read by their place: a row of a batch is a number, and no column is laid out in a list of its own first.

-- Orders move twice and stay on their page both times: three versions of a row fit where one was written.
update partitioned_tables set storage = 'fillfactor = 45' where name = 'orders';
do $$
declare
  v_leaf text;
begin
  for v_leaf in select i.inhrelid::regclass::text from pg_inherits i where i.inhparent = 'orders'::regclass loop
    execute format('alter table %s set (fillfactor = 45)', v_leaf);
  end loop;
end $$;

-- What is credited as asked: everything moves, or nothing is written.
create or replace function credit_orders(
  p_shop bigint, p_at timestamptz, p_actor text, p_ids uuid[], p_attempts uuid[], p_orders uuid[], p_users bigint[], p_channels bigint[],
  p_amounts bigint[], p_txns text[], p_payers bytea[], p_attempt_versions integer[], p_attempt_states text[], p_order_versions integer[],
  p_order_states text[], p_witnesses text[]
) returns void
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  v_moved integer;
begin
  insert into fact_keys (channel_id, channel_txn, attempt_id)
  select p_channels[i], p_txns[i], p_attempts[i] from generate_series(1, cardinality(p_attempts)) as i order by 1, 2;
  update attempts a set state = 'paid', version = a.version + 1, moved_at = p_at, next_query_at = null, channel_txn = p_txns[i],
    payer = p_payers[i], paid_fen = p_amounts[i], reason = null
  from generate_series(1, cardinality(p_attempts)) as i
  where a.id = p_attempts[i] and a.version = p_attempt_versions[i] and a.state = p_attempt_states[i];
  get diagnostics v_moved = row_count;
  if v_moved <> cardinality(p_attempts) then
    raise exception 'a locked attempt did not move' using errcode = 'assert_failure';
  end if;
  insert into attempt_moves (attempt_id, version, from_state, move, to_state, actor, reason, at)
  select p_attempts[i], p_attempt_versions[i] + 1, p_attempt_states[i], 'paid', 'paid', p_actor, '', p_at
  from generate_series(1, cardinality(p_attempts)) as i;
  update orders o set state = 'credited', version = o.version + 2, moved_at = p_at, credited_at = p_at
  from generate_series(1, cardinality(p_orders)) as i
  where o.id = p_orders[i] and o.version = p_order_versions[i] and o.state = p_order_states[i];
  get diagnostics v_moved = row_count;
  if v_moved <> cardinality(p_orders) then
    raise exception 'a locked order did not move' using errcode = 'assert_failure';
  end if;
  insert into order_moves (order_id, version, from_state, move, to_state, actor, reason, at)
  select p_orders[i], p_order_versions[i] + n, case n when 1 then p_order_states[i] else 'paid' end,
    case n when 1 then 'paid' else 'credited' end, case n when 1 then 'paid' else 'credited' end, p_actor,
    case n when 1 then p_witnesses[i] else '' end, p_at
  from generate_series(1, cardinality(p_orders)) as i cross join generate_series(1, 2) as n;
  insert into events (id, shop_id, kind, order_id, user_id, actor, data, at)
  select p_ids[i], p_shop, 'order.credited', p_orders[i], p_users[i], p_actor,
    ('{"amount_fen":' || p_amounts[i] || ',"channel_id":' || p_channels[i] || ',"witness":"' || p_witnesses[i] || '"}')::jsonb, p_at
  from generate_series(1, cardinality(p_ids)) as i;
end $$;

-- Decisions about payments, and who paid. An order is marked once; the rare one that is marked already keeps its mark.
create or replace function keep_paid(
  p_shop bigint, p_at timestamptz, p_book integer, p_ids uuid[], p_orders uuid[], p_users bigint[], p_outcomes text[], p_reasons text[],
  p_facts text[], p_verdicts text[], p_hashes bytea[], p_latencies integer[], p_payers bytea[], p_amounts bigint[]
) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  insert into decisions (id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, hash, latency_us, at)
  select p_ids[i], p_shop, p_users[i], p_orders[i], 'paid', p_outcomes[i], p_reasons[i], p_book, p_facts[i]::json, p_verdicts[i]::json,
    p_hashes[i], p_latencies[i], p_at
  from generate_series(1, cardinality(p_ids)) as i;
  begin
    insert into payer_marks (order_id, shop_id, payer, user_id, amount_fen, at)
    select p_orders[i], p_shop, p_payers[i], p_users[i], p_amounts[i], p_at
    from generate_series(1, cardinality(p_ids)) as i where p_payers[i] is not null;
  exception when unique_violation then
    insert into payer_marks (order_id, shop_id, payer, user_id, amount_fen, at)
    select p_orders[i], p_shop, p_payers[i], p_users[i], p_amounts[i], p_at
    from generate_series(1, cardinality(p_ids)) as i where p_payers[i] is not null
    on conflict do nothing;
  end;
end $$;

-- Messages that were not here before are kept; one that was is counted. Nearly all are new: they are written as such, and only when one of
-- them was here already is each asked about. A key that another transaction writes meanwhile is waited for in both cases.
create or replace function keep_notifications(
  p_shop bigint, p_at timestamptz, p_channels bigint[], p_ids uuid[], p_keys text[], p_states text[], p_whys text[], p_headers text[],
  p_bodies bytea[]
) returns integer
language plpgsql set search_path = public, pg_temp as $$
declare
  v_fresh uuid[];
  v_kept integer;
  v_all boolean := true;
begin
  begin
    insert into notification_keys (channel_id, key, notification_id)
    select p_channels[i], p_keys[i], p_ids[i] from generate_series(1, cardinality(p_ids)) as i where p_keys[i] <> '' order by 1, 2;
  exception when unique_violation then
    with claimed as (
      insert into notification_keys (channel_id, key, notification_id)
      select p_channels[i], p_keys[i], p_ids[i] from generate_series(1, cardinality(p_ids)) as i where p_keys[i] <> '' order by 1, 2
      on conflict (channel_id, key) do update set seen = notification_keys.seen + 1
      returning notification_id, seen
    )
    select array_agg(notification_id) filter (where seen = 1) into v_fresh from claimed;
    v_all := false;
  end;
  insert into notifications (id, shop_id, channel_id, state, why, headers, body, at)
  select p_ids[i], p_shop, p_channels[i], p_states[i], p_whys[i], p_headers[i]::json, p_bodies[i], p_at
  from generate_series(1, cardinality(p_ids)) as i
  where v_all or p_keys[i] = '' or p_ids[i] = any (v_fresh);
  get diagnostics v_kept = row_count;
  return v_kept;
end $$;

create or replace function post_pairs(
  p_shop bigint, p_at timestamptz, p_actor text, p_ids uuid[], p_kinds text[], p_sources uuid[], p_happened timestamptz[],
  p_reasons text[], p_from bigint[], p_to bigint[], p_amounts bigint[]
) returns void
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  perform from (select distinct unnest(p_from || p_to) as id order by 1) u
  cross join lateral (select from accounts a where a.id = u.id limit 1 for no key update of a) a;
  insert into posting_keys (source_id, kind, transfer_id)
  select p_sources[i], p_kinds[i], p_ids[i] from generate_series(1, cardinality(p_ids)) as i;
  with lines as (
    select p_ids[i] as transfer_id, n as line, i as place, case n when 1 then p_from[i] else p_to[i] end as account_id,
      case n when 1 then -p_amounts[i] else p_amounts[i] end as amount_fen
    from generate_series(1, cardinality(p_ids)) as i cross join generate_series(1, 2) as n
  ), totals as (
    select l.transfer_id, l.line, l.account_id, l.amount_fen, sum(l.amount_fen) over so_far as sum_fen, row_number() over so_far as number
    from lines l window so_far as (partition by l.account_id order by l.place, l.line rows unbounded preceding)
  ), booked as (
    insert into transfers (id, shop_id, kind, source_id, line_count, happened_at, booked_at, actor, reason)
    select p_ids[i], p_shop, p_kinds[i], p_sources[i], 2, p_happened[i], p_at, p_actor, p_reasons[i]
    from generate_series(1, cardinality(p_ids)) as i
  )
  insert into postings (transfer_id, line, account_id, amount_fen, balance_after_fen, version)
  select t.transfer_id, t.line, t.account_id, t.amount_fen, (a.balance_fen + t.sum_fen)::bigint, a.version + t.number
  from totals t cross join lateral (select balance_fen, version from accounts where id = t.account_id limit 1) a;
end $$;
