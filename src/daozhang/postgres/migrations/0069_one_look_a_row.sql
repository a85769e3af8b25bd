-- A settlement looks at each row once: what a lock returns is read with it, and an order that is paid keeps its place in its indexes.

-- Money of a wrong amount is found by the move that made it so. An index over the state of orders made every move of every order write
-- all the indexes of orders anew: what an index looks at can not be updated in place.
drop index orders_misfit;
create index order_moves_misfit on order_moves (at) where to_state = 'misfit';

-- As before: users are locked, then orders, then attempts, each by their ids. What a lock returns is the newest version of its row, so
-- orders and attempts are read by the looks that lock them. `place` counts the numbers as given.
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
    select u.place, u.id, u.channel_id, u.txn, a.user_id, a.order_id
    from unnest(p_attempts, p_channels, p_txns) with ordinality as u (id, channel_id, txn, place)
    cross join lateral (select t.user_id, t.order_id from attempts t where t.id = u.id limit 1) a
    order by a.order_id, u.place
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
    select u.* from unnest(v_places, v_ids, v_channels, v_txns, v_states, v_versions, v_purposes)
      as u (place, id, channel_id, txn, order_state, order_version, purpose)
    where u.order_state is not null order by u.id
  ) w
  cross join lateral (
    select t.id, t.order_id, t.user_id, t.channel_id, t.method, t.merchant, t.app, t.currency, t.amount_fen, t.state, t.version, t.channel_txn
    from attempts t where t.id = w.id limit 1 for no key update of t
  ) a
  left join lateral (
    select k.channel_txn, k.attempt_id from fact_keys k where k.channel_id = w.channel_id and k.channel_txn = w.txn limit 1
  ) f on true;
end $$;

-- As before, without a plan that a young table can spoil: a batch of credits costs one look at its few debits.
create or replace function take_from_lots() returns trigger
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  v_account bigint;
begin
  for v_account in
    select d.account_id from (select distinct account_id from new_postings where amount_fen < 0 order by 1) d
    cross join lateral (select a.kind from accounts a where a.id = d.account_id limit 1) a
    where a.kind in ('user_cash', 'user_bonus')
  loop
    perform follow_lots(v_account);
  end loop;
  return null;
end $$;
