-- Limits: what one payment, a day and a month of one user may be at a channel, a way to pay or a bank, each number with its source.

-- "No credit card" is told to the channel with every order, for the kinds whose protocol has a word for it.
alter table channels add column no_credit boolean not null default false;
grant update (no_credit) on channels to daozhang_app;
create or replace view channels_facts as
  select c.id as channel_id, c.shop_id, c.kind, c.name, c.methods, c.enabled,
         exists (select from channel_keys k where k.channel_id = c.id and k.retired_at is null) as keyed, c.no_credit
  from channels c;

-- What a payer says of the card before paying, so that the limits of its bank can be held; null = nothing was said.
alter table attempts add column bank text, add column instrument text;
grant update (bank, instrument) on attempts to daozhang_app;
create index on attempts (user_id, id);

-- A row holds for whatever it names and for everything where it names nothing. It is never edited: another one takes its place.
create table limits (
  id bigint generated always as identity primary key,
  shop_id bigint not null references shops,
  owner text not null check (owner in ('ours', 'channel', 'bank')),
  kind text check (kind ~ '^[a-z][a-z0-9_]{1,31}$'),
  channel_id bigint references channels,
  method text check (method ~ '^[a-z][a-z0-9_]{0,31}$'),
  bank text check (bank ~ '^[a-z][a-z0-9_]{1,15}$'),
  instrument text check (instrument in ('debit', 'credit', 'wallet')),
  min_fen bigint check (min_fen > 0),
  single_fen bigint check (single_fen > 0),
  day_fen bigint check (day_fen > 0),
  month_fen bigint check (month_fen > 0),
  opens time,
  closes time,
  fee_bp integer check (fee_bp between 0 and 2000),
  source text not null check (length(source) between 1 and 200),
  source_date date not null,
  demo boolean not null default false,
  valid_from timestamptz not null,
  valid_until timestamptz,
  actor text not null,
  created_at timestamptz not null,
  changed_at timestamptz,
  changed_axis text,
  changed_fen bigint,
  changed_code text,
  check (owner <> 'bank' or bank is not null),
  check (num_nonnulls(min_fen, single_fen, day_fen, month_fen, opens, fee_bp) > 0),
  check ((opens is null) = (closes is null)),
  check (valid_until >= valid_from)
);
create index on limits (shop_id, valid_from);

-- The limits that hold now for each wish, with what its user has used of them: payments that were made today or this month (in
-- Shanghai), and those that may still be made, whenever they began. An order counts once, however many attempts of it live; orders
-- under judgement (p_besides) do not count. Lock the users in a statement of its own before.
create function limits_in_force(
  p_shops bigint[], p_users bigint[], p_channels bigint[], p_methods text[], p_banks text[], p_instruments text[], p_besides uuid[]
) returns table (
  place bigint, limit_id bigint, owner text, kind text, channel_id bigint, method text, bank text, instrument text, min_fen bigint,
  single_fen bigint, day_fen bigint, month_fen bigint, opens time, closes time, fee_bp integer, demo boolean, changed_axis text,
  changed_fen bigint, day_used_fen bigint, month_used_fen bigint, at timestamptz, day_ends_at timestamptz, month_ends_at timestamptz
)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
  v_at timestamptz := clock_now();
  v_today date := business_day(v_at);
  v_day timestamptz := v_today::timestamp at time zone 'Asia/Shanghai';
  v_day_ends timestamptz := (v_today + 1)::timestamp at time zone 'Asia/Shanghai';
  v_month timestamptz := date_trunc('month', v_today::timestamp) at time zone 'Asia/Shanghai';
  v_month_ends timestamptz := (date_trunc('month', v_today::timestamp) + interval '1 month') at time zone 'Asia/Shanghai';
begin
  return query
  select w.place, l.id, l.owner, l.kind, l.channel_id, l.method, l.bank, l.instrument, l.min_fen, l.single_fen, l.day_fen, l.month_fen,
    l.opens, l.closes, l.fee_bp, l.demo, l.changed_axis, l.changed_fen,
    coalesce(u.day_fen, 0)::bigint, coalesce(u.month_fen, 0)::bigint, v_at, v_day_ends, v_month_ends
  from unnest(p_shops, p_users, p_channels, p_methods, p_banks, p_instruments) with ordinality
    as w (shop_id, user_id, channel_id, method, bank, instrument, place)
  left join lateral (select c.kind from channels c where c.id = w.channel_id limit 1) c on true
  join limits l on l.shop_id = w.shop_id and l.valid_from <= v_at and (l.valid_until is null or l.valid_until > v_at)
    and (l.channel_id is null or l.channel_id = w.channel_id) and (l.kind is null or l.kind = c.kind)
    and (l.method is null or l.method = w.method) and (l.bank is null or l.bank = w.bank)
    and (l.instrument is null or l.instrument = w.instrument)
  left join lateral (
    select sum(o.amount_fen) filter (where o.until_at >= v_day) as day_fen, sum(o.amount_fen) as month_fen
    from (
      select max(t.amount_fen) as amount_fen, max(case when t.state = 'paid' then t.moved_at else v_at end) as until_at
      from attempts t
      where t.user_id = w.user_id and t.id >= id_floor(v_month - interval '31 days') and t.state <> 'closed'
        and (t.state <> 'paid' or t.moved_at >= v_month) and t.order_id <> all (p_besides)
        and (l.channel_id is null or t.channel_id = l.channel_id) and (l.kind is null or t.kind = l.kind)
        and (l.method is null or t.method = l.method) and (l.bank is null or t.bank = l.bank)
        and (l.instrument is null or t.instrument = l.instrument)
      group by t.order_id
    ) o
  ) u on l.day_fen is not null or l.month_fen is not null
  order by w.place, l.id;
end $$;

create view limits_facts as
  select l.id as limit_id, l.shop_id, l.owner, l.kind, l.channel_id, l.method, l.bank, l.instrument, l.min_fen, l.single_fen, l.day_fen,
    l.month_fen, l.opens, l.closes, l.fee_bp, l.source, l.source_date, l.demo, l.valid_from, l.valid_until, l.changed_at
  from limits l;

grant select, insert on limits to daozhang_app;
grant update (valid_until, changed_at, changed_axis, changed_fen, changed_code) on limits to daozhang_app;
grant select on limits_facts to daozhang_app;
grant execute on function limits_in_force(bigint[], bigint[], bigint[], text[], text[], text[], uuid[]) to daozhang_app;
