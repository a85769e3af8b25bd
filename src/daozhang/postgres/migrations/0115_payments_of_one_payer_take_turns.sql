-- Two batches that hold payments of one payer are judged one after the other, so that each payment is counted by the next.
-- The lock is the payer's, taken in the order of its keys after users, orders, attempts and fact keys and before accounts.
-- The function is volatile so that what it reads after the lock is what is there by then: a stable one would read as of its caller.

create or replace function facts_paid(p_shop bigint, p_users bigint[], p_payers bytea[], p_near_fen bigint) returns table (
  place bigint, at timestamptz, standing text, standing_why text, standing_until timestamptz, standing_review_at timestamptz,
  user_age_s bigint, flagged boolean, payer_before boolean, payer_others bigint, payer_fen bigint, payer_near bigint
)
language plpgsql volatile security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_at timestamptz;
  v_first uuid;
  v_last uuid;
  v_month timestamptz;
  v_day timestamptz;
begin
  perform pg_advisory_xact_lock(k.key)
  from (
    select distinct ('x' || encode(substr(p, 1, 8), 'hex'))::bit(64)::bigint as key from unnest(p_payers) p where p is not null order by 1
  ) k;
  v_at := clock_now();
  v_first := id_from(v_at - interval '90 days');
  v_last := id_from(v_at + interval '1 day');
  v_month := v_at - interval '30 days';
  v_day := v_at - interval '1 day';
  return query
  select w.place, v_at, i.standing, i.standing_why, i.standing_until, i.standing_review_at,
    extract(epoch from v_at - i.created_at)::bigint, coalesce(f.flagged and (f.ends_at is null or f.ends_at > v_at), false),
    p.before, p.others, p.fen, p.near
  from unnest(p_users, p_payers) with ordinality as w (user_id, payer, place)
  left join lateral (select * from identity_facts n where n.user_id = w.user_id and n.shop_id = p_shop limit 1) i on true
  left join lateral (select g.flagged, g.ends_at from payer_flags g where g.payer = w.payer order by g.id desc limit 1) f on true
  cross join lateral (
    select coalesce(bool_or(r.user_id = w.user_id), false) as before, count(distinct r.user_id) filter (where r.user_id <> w.user_id) as others,
      coalesce(sum(r.amount_fen) filter (where r.at > v_day), 0)::bigint as fen,
      count(*) filter (where r.at > v_day and r.amount_fen >= p_near_fen) as near
    from (
      select m.user_id, m.amount_fen, m.at from payer_marks m
      where m.payer = w.payer and m.at > v_month and m.order_id >= v_first and m.order_id < v_last
      order by m.at desc limit 500
    ) r
  ) p
  order by w.place;
end $$;
