-- What a lock returns is not looked up again: a booking knows its accounts from their locks.

-- Accounts come in the order of their ids, and so do the ranks of the lines' accounts. A line whose account is not there is left out, and the
-- judge of postings refuses its transfer.
create or replace function post_pairs(
  p_shop bigint, p_at timestamptz, p_actor text, p_ids uuid[], p_kinds text[], p_sources uuid[], p_happened timestamptz[],
  p_reasons text[], p_from bigint[], p_to bigint[], p_amounts bigint[]
) returns void
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  v_accounts bigint[];
  v_balances bigint[];
  v_versions bigint[];
begin
  select array_agg(a.id), array_agg(a.balance_fen), array_agg(a.version) into v_accounts, v_balances, v_versions
  from (select distinct unnest(p_from || p_to) as id order by 1) u
  cross join lateral (select a.id, a.balance_fen, a.version from accounts a where a.id = u.id limit 1 for no key update of a) a;
  insert into posting_keys (source_id, kind, transfer_id)
  select p_sources[i], p_kinds[i], p_ids[i] from generate_series(1, cardinality(p_ids)) as i;
  with lines as (
    select p_ids[i] as transfer_id, n as line, i as place, case n when 1 then p_from[i] else p_to[i] end as account_id,
      case n when 1 then -p_amounts[i] else p_amounts[i] end as amount_fen
    from generate_series(1, cardinality(p_ids)) as i cross join generate_series(1, 2) as n
  ), totals as (
    select l.transfer_id, l.line, l.account_id, l.amount_fen, sum(l.amount_fen) over so_far as sum_fen, row_number() over so_far as number,
      dense_rank() over (order by l.account_id) as rank
    from lines l window so_far as (partition by l.account_id order by l.place, l.line rows unbounded preceding)
  ), booked as (
    insert into transfers (id, shop_id, kind, source_id, line_count, happened_at, booked_at, actor, reason)
    select p_ids[i], p_shop, p_kinds[i], p_sources[i], 2, p_happened[i], p_at, p_actor, p_reasons[i]
    from generate_series(1, cardinality(p_ids)) as i
  )
  insert into postings (transfer_id, line, account_id, amount_fen, balance_after_fen, version)
  select t.transfer_id, t.line, t.account_id, t.amount_fen, (v_balances[t.rank] + t.sum_fen)::bigint, v_versions[t.rank] + t.number
  from totals t where v_accounts[t.rank] = t.account_id;
end $$;

create or replace function read_for_settlement(p_attempts uuid[], p_channels bigint[], p_txns text[]) returns table (
  place bigint, id uuid, order_id uuid, user_id bigint, channel_id bigint, method text, merchant text, app text, currency text,
  amount_fen bigint, state text, version integer, channel_txn text, order_state text, order_version integer, purpose text,
  fact_known boolean, fact_attempt uuid
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
    a.channel_txn, w.order_state, w.order_version, w.purpose, f.channel_txn is not null, f.attempt_id
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
