-- Regulation: which class of channels may not be used where and for what, from when, by which reference; and where a user says to live.

-- `region`: * for everywhere, a prefix of a code of GB/T 2260 (44 = Guangdong), or a country of ISO 3166 (HK). `goods_class`: * for everything,
-- wallet for recharges of a balance, or a class of goods. `in_flight`: what becomes of money of orders that were there before.
-- An urgent row holds at once and lapses after two days unless it is approved.
create table region_rules (
  id bigint generated always as identity primary key,
  shop_id bigint not null references shops,
  region text not null check (region ~ '^(\*|[1-9][0-9]{1,5}|[A-Z]{2})$'),
  channel_class text not null check (channel_class in ('*', 'wallet', 'card', 'aggregator', 'other')),
  goods_class text not null check (length(goods_class) between 1 and 32),
  reference text not null check (length(reference) between 1 and 120),
  notice_zh text not null check (length(notice_zh) between 1 and 300),
  notice_en text not null check (length(notice_en) between 1 and 600),
  in_flight text not null check (in_flight in ('finish', 'refund', 'hold')),
  from_at timestamptz not null,
  until_at timestamptz,
  urgent boolean not null default false,
  proposed_by text not null check (length(proposed_by) between 1 and 64),
  proposed_at timestamptz not null,
  approved_by text check (length(approved_by) between 1 and 64),
  approved_at timestamptz,
  ending_by text check (length(ending_by) between 1 and 64),
  ending_at timestamptz,
  ended_by text check (length(ended_by) between 1 and 64),
  ended_at timestamptz,
  why text not null default '',
  check (until_at > from_at),
  -- Money of a purchase that is on its way buys what it was for, or it is everything that is stopped.
  check (goods_class in ('*', 'wallet') or in_flight = 'finish'),
  check ((approved_by is null) = (approved_at is null) and (ending_by is null) = (ending_at is null) and (ended_by is null) = (ended_at is null)),
  constraint region_rules_need_two check (
    (approved_by is null or lower(approved_by) <> lower(proposed_by) or approved_at >= proposed_at + interval '24 hours')
    and (ended_by is null or (ending_by is not null and (lower(ended_by) <> lower(ending_by) or ended_at >= ending_at + interval '24 hours'))))
);
create index on region_rules (shop_id) where ended_at is null;
create trigger region_rules_kept before delete on region_rules for each row execute function refuse_change();
create trigger region_rules_never_emptied before truncate on region_rules execute function refuse_change();

-- What was written is what holds: a row is never edited, it is ended, and another one is written.
create function region_rules_stand() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if (old.shop_id, old.region, old.channel_class, old.goods_class, old.reference, old.notice_zh, old.notice_en, old.in_flight, old.from_at,
      old.until_at, old.urgent, old.proposed_by, old.proposed_at)
     is distinct from (new.shop_id, new.region, new.channel_class, new.goods_class, new.reference, new.notice_zh, new.notice_en, new.in_flight,
      new.from_at, new.until_at, new.urgent, new.proposed_by, new.proposed_at)
     or old.ended_at is not null or (old.approved_at is not null and new.approved_at is distinct from old.approved_at) then
    raise exception 'region rule % does not change so', old.id using errcode = 'check_violation', constraint = 'region_rule_terms';
  end if;
  return new;
end $$;
create trigger region_rules_stand before update on region_rules for each row execute function region_rules_stand();

-- Where a user says to live; the newest row counts.
create table user_regions (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  region text not null check (region ~ '^([1-9][0-9]{1,5}|[A-Z]{2})$'),
  actor text not null check (length(actor) between 1 and 64),
  at timestamptz not null
);
create index on user_regions (user_id, id);
create trigger user_regions_unchanged before update or delete on user_regions for each row execute function refuse_change();
create trigger user_regions_kept before truncate on user_regions execute function refuse_change();

-- The rows in force, as one value that a statement reads once. Nothing there: one look at an index.
create function regulation_now(p_shop bigint) returns jsonb
language plpgsql stable set search_path = public, pg_temp as $$
declare
  v_at timestamptz;
begin
  if not exists (select from region_rules r where r.shop_id = p_shop and r.ended_at is null) then
    return '[]';
  end if;
  v_at := clock_now();
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'region', r.region, 'channel_class', r.channel_class,
      'goods_class', r.goods_class, 'in_flight', r.in_flight) order by r.id), '[]')
    from region_rules r
    where r.shop_id = p_shop and r.ended_at is null and r.from_at <= v_at and (r.until_at is null or v_at < r.until_at)
      and (r.approved_at is not null or (r.urgent and v_at < r.proposed_at + interval '48 hours'))
  );
end $$;

-- Where a user is: what was declared, else the province of most days of the last ninety, as its name. Null is not known.
create function region_of_user(p_user bigint) returns text
language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
  return coalesce(
    (select u.region from user_regions u where u.user_id = p_user order by u.id desc limit 1),
    (select q.province from place_days q where q.user_id = p_user and q.day > business_day(clock_now()) - 90
      group by q.province order by count(*) desc, q.province limit 1));
end $$;

create function lock_region_rule(p_shop bigint, p_id bigint) returns setof region_rules
language sql security definer set search_path = public, pg_temp as $$
  select * from region_rules where id = p_id and shop_id = p_shop for no key update
$$;

create function approve_region_rule(p_at timestamptz, p_id bigint, p_actor text) returns void
language sql security definer set search_path = public, pg_temp as $$
  update region_rules set approved_by = p_actor, approved_at = p_at where id = p_id
$$;

-- Ask that a row ends, and end it: the second one of two, or the same one a day later.
create function end_region_rule(p_at timestamptz, p_id bigint, p_actor text, p_why text, p_done boolean) returns void
language sql security definer set search_path = public, pg_temp as $$
  update region_rules set
    ending_by = case when p_done then ending_by else p_actor end, ending_at = case when p_done then ending_at else p_at end,
    ended_by = case when p_done then p_actor end, ended_at = case when p_done then p_at end, why = case when p_done then why else p_why end
  where id = p_id
$$;

grant select on region_rules, user_regions to daozhang_app;
grant insert on region_rules, user_regions to daozhang_app;
grant execute on function regulation_now(bigint), region_of_user(bigint), lock_region_rule(bigint, bigint),
  approve_region_rule(timestamptz, bigint, text), end_region_rule(timestamptz, bigint, text, text, boolean) to daozhang_app;
