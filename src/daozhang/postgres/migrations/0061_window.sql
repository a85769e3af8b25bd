-- The shop window: what a good is, stock that rings below a mark, who looked at codes, and how many orders a user has open.

alter table goods
  add column name_en text not null default '' check (length(name_en) <= 80),
  add column about_zh text not null default '' check (length(about_zh) <= 1000),
  add column about_en text not null default '' check (length(about_en) <= 1000),
  add column alarm_below integer not null default 0 check (alarm_below between 0 and 1000000);
grant update (name_en, about_zh, about_en, alarm_below) on goods to daozhang_app;
create index on goods (shop_id, class, id) where on_sale;

-- A code in clear is seen only by its buyer, after the password was asked again; that it was seen is never forgotten.
create table card_views (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  purchase_id uuid not null references purchases,
  session_id uuid not null,
  codes integer not null check (codes > 0),
  at timestamptz not null
);
create index on card_views (purchase_id, id);
create trigger card_views_unchanged before update or delete on card_views for each row execute function refuse_change();
create trigger card_views_kept before truncate on card_views execute function refuse_change();
grant select, insert on card_views to daozhang_app;

-- As before, and from the same look at the user's last orders also how many of them still wait for their payment.
drop function eligibility_of(bigint[], uuid[]);
create function eligibility_of(p_users bigint[], p_besides uuid[]) returns table (
  user_id bigint, verified boolean, age text, bought boolean, stored_fen bigint, month_fen bigint, month_ends_at timestamptz,
  open_count integer
)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
#variable_conflict use_column
declare
  v_now timestamptz := clock_now();
  v_today date := business_day(v_now);
  v_open uuid := id_from(v_now - interval '7 days');
  v_month timestamptz := date_trunc('month', v_today::timestamp) at time zone 'Asia/Shanghai';
  v_next timestamptz := (date_trunc('month', v_today::timestamp) + interval '1 month') at time zone 'Asia/Shanghai';
  v_since uuid := id_from(v_month);
begin
  return query
  select i.id, i.verification in ('identity', 'face'),
    case
      when i.verification not in ('identity', 'face') then 'unverified'
      when n.adult_on is null or n.adult_on <= v_today then 'adult'
      when n.adult_on <= (v_today + interval '2 years')::date then 'from_16'
      when n.adult_on <= (v_today + interval '10 years')::date then 'from_8'
      else 'below_8'
    end,
    exists (select from purchases p where p.user_id = i.id and p.shop_id = i.shop_id and p.state = 'delivered'),
    ((select coalesce(sum(a.balance_fen), 0) from accounts a where a.shop_id = i.shop_id and a.address = any (array[
        'user:' || i.id || ':cash', 'user:' || i.id || ':bonus', 'user:' || i.id || ':reserved', 'user:' || i.id || ':review']))
      + w.open_fen)::bigint,
    case when n.adult_on > v_today then (
      select coalesce(sum(o.amount_fen), 0)::bigint from orders o where o.user_id = i.id and o.id >= v_since and o.id <> all (p_besides)
        and o.state not in ('refused', 'abandoned', 'failed', 'expired', 'cancelled', 'refunded')
    ) else 0 end,
    v_next,
    w.open_count
  from (select distinct u.id from unnest(p_users) as u (id)) u
  join users i on i.id = u.id
  left join lateral (select v.adult_on from verifications v where v.user_id = i.id and v.tier = 'identity' limit 1) n on true
  cross join lateral (
    select coalesce(sum(o.amount_fen) filter (where o.purpose = 'wallet' and o.state in ('created', 'awaiting_payment', 'closing')), 0)
        as open_fen, count(*)::integer as open_count
    from orders o where o.user_id = i.id and o.id >= v_open and o.id <> all (p_besides)
      and o.state in ('created', 'awaiting_payment', 'closing', 'challenged')
  ) w;
end $$;
grant execute on function eligibility_of(bigint[], uuid[]) to daozhang_app;
