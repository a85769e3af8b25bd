-- A settlement is written by one statement: JSON comes as JSON and is read once, and accounts that are missing are opened by the booking.

drop function keep_paid(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], text[], text[], bytea[], integer[], bytea[],
  bigint[]);

-- Decisions about payments, and who paid. An order is marked once; the rare one that is marked already keeps its mark. Verdicts that all of
-- them share come as one entry.
create function keep_paid(
  p_shop bigint, p_at timestamptz, p_book integer, p_ids uuid[], p_orders uuid[], p_users bigint[], p_outcomes text[], p_reasons text[],
  p_facts json[], p_verdicts json[], p_hashes bytea[], p_latencies integer[], p_payers bytea[], p_amounts bigint[]
) returns void
language plpgsql set search_path = public, pg_temp as $$
declare
  v_each integer := case when cardinality(p_verdicts) = 1 then 0 else 1 end;
begin
  insert into decisions (id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, hash, latency_us, at)
  select p_ids[i], p_shop, p_users[i], p_orders[i], 'paid', p_outcomes[i], p_reasons[i], p_book, p_facts[i], p_verdicts[1 + (i - 1) * v_each],
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

drop function keep_notifications(bigint, timestamptz, bigint[], uuid[], text[], text[], text[], text[], bytea[]);

-- Messages that were not here before are kept; one that was is counted (migration 0111).
create function keep_notifications(
  p_shop bigint, p_at timestamptz, p_channels bigint[], p_ids uuid[], p_keys text[], p_states text[], p_whys text[], p_headers json[],
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
  select p_ids[i], p_shop, p_channels[i], p_states[i], p_whys[i], p_headers[i], p_bodies[i], p_at
  from generate_series(1, cardinality(p_ids)) as i
  where v_all or p_keys[i] = '' or p_ids[i] = any (v_fresh);
  get diagnostics v_kept = row_count;
  return v_kept;
end $$;

-- Book pairs of one kind. An account that the caller does not know is named by minus its place in p_missing, and opened; answers the ids of
-- these in their order.
create function post_opening(
  p_shop bigint, p_at timestamptz, p_actor text, p_kind text, p_ids uuid[], p_sources uuid[], p_happened timestamptz[], p_reasons text[],
  p_from bigint[], p_to bigint[], p_amounts bigint[], p_missing text[]
) returns bigint[]
language plpgsql set search_path = public, pg_temp as $$
declare
  v_opened bigint[] := '{}';
begin
  if p_missing <> '{}' then
    v_opened := array(select o.id from open_accounts(p_shop, p_missing) with ordinality as o (address, id, place) order by o.place);
    p_from := array(
      select case when u.id < 0 then v_opened[-u.id] else u.id end from unnest(p_from) with ordinality as u (id, place) order by u.place);
    p_to := array(
      select case when u.id < 0 then v_opened[-u.id] else u.id end from unnest(p_to) with ordinality as u (id, place) order by u.place);
  end if;
  perform post_pairs(p_shop, p_at, p_actor, p_ids, array_fill(p_kind, array[cardinality(p_ids)]), p_sources, p_happened, p_reasons, p_from,
    p_to, p_amounts);
  return v_opened;
end $$;

drop function read_for_settlement(uuid[], bigint[], text[]);

-- As before, and whether anything was promised on top of an order.
create function read_for_settlement(p_attempts uuid[], p_channels bigint[], p_txns text[]) returns table (
  place bigint, id uuid, order_id uuid, user_id bigint, channel_id bigint, method text, merchant text, app text, currency text,
  amount_fen bigint, state text, version integer, channel_txn text, order_state text, order_version integer, purpose text,
  fact_known boolean, fact_attempt uuid, promised boolean
)
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_users bigint[];
  v_places bigint[];
  v_ids uuid[];
  v_orders uuid[];
  v_channels bigint[];
  v_txns text[];
  v_states text[];
  v_versions integer[];
  v_purposes text[];
begin
  select array_agg(s.user_id), array_agg(s.place), array_agg(s.id), array_agg(s.order_id), array_agg(s.channel_id), array_agg(s.txn)
  into v_users, v_places, v_ids, v_orders, v_channels, v_txns
  from (
    select i::bigint as place, p_attempts[i] as id, p_channels[i] as channel_id, p_txns[i] as txn, a.user_id, a.order_id
    from generate_series(1, cardinality(p_attempts)) as i
    cross join lateral (select t.user_id, t.order_id from attempts t where t.id = p_attempts[i] limit 1) a
    order by a.order_id, i
  ) s;
  perform from (select distinct unnest(v_users) as id order by 1) w
    cross join lateral (select from users u where u.id = w.id limit 1 for no key update of u) u;
  select array_agg(o.state), array_agg(o.version), array_agg(o.purpose) into v_states, v_versions, v_purposes
  from unnest(v_orders) as w (id)
  left join lateral (select r.state, r.version, r.purpose from orders r where r.id = w.id limit 1 for no key update of r) o on true;
  return query
  select w.place, a.id, a.order_id, a.user_id, a.channel_id, a.method, a.merchant, a.app, a.currency, a.amount_fen, a.state, a.version,
    a.channel_txn, w.order_state, w.order_version, w.purpose, f.channel_txn is not null, f.attempt_id,
    exists (select from bonus_promises b where b.order_id = a.order_id)
  from (
    select v_places[i] as place, v_ids[i] as id, v_channels[i] as channel_id, v_txns[i] as txn, v_states[i] as order_state,
      v_versions[i] as order_version, v_purposes[i] as purpose
    from generate_series(1, cardinality(v_ids)) as i where v_states[i] is not null order by v_ids[i]
  ) w
  cross join lateral (
    select t.id, t.order_id, t.user_id, t.channel_id, t.method, t.merchant, t.app, t.currency, t.amount_fen, t.state, t.version, t.channel_txn
    from attempts t where t.id = w.id limit 1 for no key update of t
  ) a
  left join lateral (
    select k.channel_txn, k.attempt_id from fact_keys k where k.channel_id = w.channel_id and k.channel_txn = w.txn limit 1
  ) f on true;
end $$;

grant execute on function keep_paid(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], json[], json[], bytea[], integer[],
  bytea[], bigint[]), keep_notifications(bigint, timestamptz, bigint[], uuid[], text[], text[], text[], json[], bytea[]),
  post_opening(bigint, timestamptz, text, text, uuid[], uuid[], timestamptz[], text[], bigint[], bigint[], bigint[], text[]),
  read_for_settlement(uuid[], bigint[], text[]) to daozhang_app;
