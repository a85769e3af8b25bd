-- Bookings find their accounts by key whatever was counted when they were planned: on a young system each line read every account there was.

-- As before. The join of lines with accounts was planned while there were few accounts, and the plan is kept: a batch of 200 read the whole
-- table of accounts for every line. A look with `limit 1` leaves the planner no other way.
create or replace function post_transfers(
  p_shop bigint, p_at timestamptz, p_actor text,
  p_ids uuid[], p_kinds text[], p_sources uuid[], p_happened timestamptz[], p_reasons text[], p_counts smallint[],
  l_accounts bigint[], l_amounts bigint[]
) returns integer
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  v_lines integer;
begin
  perform from (select distinct unnest(l_accounts) as id order by 1) u
  cross join lateral (select from accounts a where a.id = u.id limit 1 for no key update of a) a;
  insert into posting_keys (source_id, kind, transfer_id)
  select * from unnest(p_sources, p_kinds, p_ids);
  with lines as (
    select p_ids[t.place] as transfer_id, n as line, l_accounts[t.before + n] as account_id, l_amounts[t.before + n] as amount_fen,
      t.before + n as place
    from (select u.place, u.lines, sum(u.lines) over (order by u.place) - u.lines as before
      from unnest(p_counts) with ordinality as u (lines, place)) t
    cross join lateral generate_series(1, t.lines) as n
  ), totals as (
    select l.transfer_id, l.line, l.account_id, l.amount_fen, sum(l.amount_fen) over so_far as sum_fen, row_number() over so_far as number
    from lines l window so_far as (partition by l.account_id order by l.place rows unbounded preceding)
  ), booked as (
    insert into transfers (id, shop_id, kind, source_id, line_count, happened_at, booked_at, actor, reason)
    select u.id, p_shop, u.kind, u.source_id, u.line_count, u.happened_at, p_at, p_actor, u.reason
    from unnest(p_ids, p_kinds, p_sources, p_happened, p_reasons, p_counts) as u (id, kind, source_id, happened_at, reason, line_count)
  )
  insert into postings (transfer_id, line, account_id, amount_fen, balance_after_fen, version)
  select t.transfer_id, t.line, t.account_id, t.amount_fen, (a.balance_fen + t.sum_fen)::bigint, a.version + t.number
  from totals t cross join lateral (select balance_fen, version from accounts where id = t.account_id limit 1) a;
  get diagnostics v_lines = row_count;
  return v_lines;
end $$;
