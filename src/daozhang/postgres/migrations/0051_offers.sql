-- Campaigns, coupons and the bonus that an order was promised: given with the credit, within a budget that no race exceeds.

insert into transfer_kinds (kind, from_kind, to_kind) values
  ('bonus', 'platform_promotion', 'user_bonus'),
  ('purchase.bonus', 'user_bonus', 'platform_sales'),
  ('purchase.bonus_returned', 'platform_sales', 'user_bonus'),
  ('hold.reserve', 'user_bonus', 'user_reserved'),
  ('hold.released', 'user_reserved', 'user_bonus'),
  ('hold.captured', 'user_reserved', 'platform_promotion');

-- `form` bonus: whoever recharges at least `tier_from_fen[n]` gets `tier_bonus_fen[n]`, the highest tier that fits. `form` coupon: the one
-- tier is what each coupon is worth. `used_fen` is what was promised or given (of coupons: issued), never more than the budget.
create table campaigns (
  id bigint generated always as identity primary key,
  shop_id bigint not null references shops,
  form text not null check (form in ('bonus', 'coupon')),
  name_zh text not null check (length(name_zh) between 1 and 40),
  name_en text not null check (length(name_en) between 1 and 80),
  begins_at timestamptz not null,
  ends_at timestamptz not null,
  tier_from_fen bigint[] not null,
  tier_bonus_fen bigint[] not null,
  budget_fen bigint not null check (budget_fen between 1 and 9999999999),
  used_fen bigint not null default 0,
  user_fen bigint check (user_fen > 0),
  user_count integer check (user_count > 0),
  stacks boolean not null default false,
  state text not null default 'proposed' check (state in ('proposed', 'running', 'stopped')),
  proposed_by text not null check (length(proposed_by) between 1 and 64),
  proposed_at timestamptz not null,
  approved_by text check (length(approved_by) between 1 and 64),
  approved_at timestamptz,
  stopped_by text check (length(stopped_by) between 1 and 64),
  stopped_at timestamptz,
  why text not null default '',
  check (begins_at < ends_at),
  check (cardinality(tier_from_fen) between 1 and 12 and cardinality(tier_from_fen) = cardinality(tier_bonus_fen)),
  check (form = 'bonus' or cardinality(tier_from_fen) = 1),
  check (0 < all (tier_from_fen) and 0 < all (tier_bonus_fen)),
  constraint campaign_budget check (used_fen between 0 and budget_fen),
  -- Money is given away by two, or by one who has slept over it.
  constraint campaigns_need_two check (state <> 'running' or (approved_by is not null
    and (lower(approved_by) <> lower(proposed_by) or approved_at >= proposed_at + interval '24 hours'))),
  check ((state = 'stopped') = (stopped_at is not null))
);
create index on campaigns (shop_id, state);
create trigger campaigns_kept before delete on campaigns for each row execute function refuse_change();
create trigger campaigns_never_emptied before truncate on campaigns execute function refuse_change();

-- What was approved is what is given: a campaign's terms are never edited. It is stopped, and another one is made.
create function campaigns_stand() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if (old.shop_id, old.form, old.name_zh, old.name_en, old.begins_at, old.ends_at, old.tier_from_fen, old.tier_bonus_fen, old.budget_fen,
      old.user_fen, old.user_count, old.stacks, old.proposed_by, old.proposed_at)
     is distinct from (new.shop_id, new.form, new.name_zh, new.name_en, new.begins_at, new.ends_at, new.tier_from_fen, new.tier_bonus_fen,
      new.budget_fen, new.user_fen, new.user_count, new.stacks, new.proposed_by, new.proposed_at)
     or (old.state = 'stopped' and new.state <> 'stopped') or (old.state = 'running' and new.state = 'proposed') then
    raise exception 'campaign % does not change so', old.id using errcode = 'check_violation', constraint = 'campaign_terms';
  end if;
  return new;
end $$;
create trigger campaigns_stand before update on campaigns for each row execute function campaigns_stand();

-- A coupon is found by the hash of its code. One with a user is that user's alone. `order_id` is the order that reserves it or used it.
create table coupons (
  id uuid primary key,
  shop_id bigint not null references shops,
  campaign_id bigint not null references campaigns,
  code_hash bytea not null check (octet_length(code_hash) = 32),
  tail text not null check (length(tail) between 4 and 8),
  user_id bigint references users,
  state text not null default 'issued' check (state in ('issued', 'reserved', 'used')),
  order_id uuid,
  expires_at timestamptz not null,
  issued_by text not null check (length(issued_by) between 1 and 64),
  issued_at timestamptz not null,
  moved_at timestamptz not null,
  unique (shop_id, code_hash),
  check ((state = 'issued') = (order_id is null))
);
create index on coupons (campaign_id);
create index on coupons (user_id) where user_id is not null;
create index on coupons (order_id) where order_id is not null;
create trigger coupons_kept before delete on coupons for each row execute function refuse_change();
create trigger coupons_never_emptied before truncate on coupons execute function refuse_change();

create function coupons_are_used_once() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if old.state = 'used' or (new.state = 'used' and (old.state <> 'reserved' or new.order_id <> old.order_id))
     or old.code_hash <> new.code_hash or old.campaign_id <> new.campaign_id or old.user_id is distinct from new.user_id then
    raise exception 'coupon % does not move so', old.id using errcode = 'check_violation', constraint = 'coupon_once';
  end if;
  return new;
end $$;
create trigger coupons_are_used_once before update on coupons for each row execute function coupons_are_used_once();

-- What an order was promised. `until_at`: paid by then, it is given, however long the news took. `taken_fen` went back with refunds.
create table bonus_promises (
  id uuid primary key,
  shop_id bigint not null references shops,
  order_id uuid not null,
  user_id bigint not null references users,
  campaign_id bigint not null references campaigns,
  coupon_id uuid references coupons,
  paid_fen bigint not null check (paid_fen > 0),
  bonus_fen bigint not null check (bonus_fen > 0),
  state text not null default 'promised' check (state in ('promised', 'granted', 'returned')),
  taken_fen bigint not null default 0 check (taken_fen between 0 and bonus_fen),
  until_at timestamptz not null,
  next_look_at timestamptz,
  promised_at timestamptz not null,
  moved_at timestamptz not null,
  unique (order_id, campaign_id),
  check ((state = 'promised') = (next_look_at is not null)),
  check (state = 'granted' or taken_fen = 0)
);
create index on bonus_promises (campaign_id, user_id) where state <> 'returned';
create index bonus_promises_due on bonus_promises (next_look_at) where next_look_at is not null;
create trigger bonus_promises_kept before delete on bonus_promises for each row execute function refuse_change();
create trigger bonus_promises_never_emptied before truncate on bonus_promises execute function refuse_change();

-- What a refund takes of a bonus: `due_fen` by the rule paid / (paid + bonus), `amount_fen` of it was there and waits in the hold.
create table bonus_takings (
  refund_id uuid not null,
  promise_id uuid not null references bonus_promises,
  hold_id uuid references holds,
  due_fen bigint not null check (due_fen > 0),
  amount_fen bigint not null check (amount_fen between 0 and due_fen),
  state text not null default 'waiting' check (state in ('waiting', 'taken', 'given_back')),
  at timestamptz not null,
  moved_at timestamptz not null,
  primary key (refund_id, promise_id),
  check ((hold_id is null) = (amount_fen = 0))
);
create index on bonus_takings (promise_id);
create trigger bonus_takings_kept before delete on bonus_takings for each row execute function refuse_change();
create trigger bonus_takings_never_emptied before truncate on bonus_takings execute function refuse_change();

create function propose_campaign(
  p_shop bigint, p_at timestamptz, p_form text, p_zh text, p_en text, p_begins timestamptz, p_ends timestamptz, p_from bigint[],
  p_bonus bigint[], p_budget bigint, p_user_fen bigint, p_user_count integer, p_stacks boolean, p_actor text
) returns bigint
language sql security definer set search_path = public, pg_temp as $$
  insert into campaigns (shop_id, form, name_zh, name_en, begins_at, ends_at, tier_from_fen, tier_bonus_fen, budget_fen, user_fen, user_count,
    stacks, proposed_by, proposed_at)
  values (p_shop, p_form, p_zh, p_en, p_begins, p_ends, p_from, p_bonus, p_budget, p_user_fen, p_user_count, p_stacks, p_actor, p_at)
  returning id
$$;

create function lock_campaign(p_shop bigint, p_id bigint) returns setof campaigns
language sql security definer set search_path = public, pg_temp as $$
  select * from campaigns where id = p_id and shop_id = p_shop for no key update
$$;

create function approve_campaign(p_shop bigint, p_at timestamptz, p_id bigint, p_actor text) returns bigint
language sql security definer set search_path = public, pg_temp as $$
  update campaigns set state = 'running', approved_by = p_actor, approved_at = p_at
  where id = p_id and shop_id = p_shop and state = 'proposed' returning id
$$;

create function stop_campaign(p_shop bigint, p_at timestamptz, p_id bigint, p_actor text, p_why text) returns bigint
language sql security definer set search_path = public, pg_temp as $$
  update campaigns set state = 'stopped', stopped_by = p_actor, stopped_at = p_at, why = p_why
  where id = p_id and shop_id = p_shop and state <> 'stopped' returning id
$$;

-- Issue coupons of a running campaign; what they are worth is taken from its budget here, all or none: null when there is not enough.
create function issue_coupons(
  p_shop bigint, p_at timestamptz, p_campaign bigint, p_ids uuid[], p_hashes bytea[], p_tails text[], p_user bigint, p_expires timestamptz,
  p_actor text
) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update campaigns c set used_fen = c.used_fen + cardinality(p_ids) * c.tier_bonus_fen[1]
  where c.id = p_campaign and c.shop_id = p_shop and c.form = 'coupon' and c.state = 'running'
    and c.used_fen + cardinality(p_ids) * c.tier_bonus_fen[1] <= c.budget_fen;
  if not found then
    return null;
  end if;
  insert into coupons (id, shop_id, campaign_id, code_hash, tail, user_id, expires_at, issued_by, issued_at, moved_at)
  select u.id, p_shop, p_campaign, u.hash, u.tail, p_user, p_expires, p_actor, p_at, p_at
  from unnest(p_ids, p_hashes, p_tails) as u (id, hash, tail);
  return cardinality(p_ids);
end $$;

-- An order that can bring no money any more, so that what was promised to it may go to another one.
create function order_is_dead(p_order uuid) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce((select o.state in ('refused', 'abandoned', 'failed', 'expired', 'cancelled', 'refunded') from orders o where o.id = p_order), true)
    and not exists (select from attempts a where a.order_id = p_order and a.id >= p_order and a.state not in ('paid', 'closed'))
$$;

-- Take the locks that what follows rests on: campaigns, then coupons, each sorted. Everything here takes them in this order, then promises.
create function lock_offers(p_shop bigint, p_campaigns bigint[], p_hashes bytea[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform from campaigns c where c.id = any (p_campaigns) and c.shop_id = p_shop order by c.id for no key update;
  perform from coupons k where k.shop_id = p_shop and k.code_hash = any (p_hashes) order by k.id for no key update;
end $$;

-- Return promises: the budget and the coupon are free again. The caller holds the locks of their campaigns and coupons.
create function return_promises(p_at timestamptz, p_ids uuid[]) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_returned uuid[];
begin
  with moved as (
    update bonus_promises set state = 'returned', next_look_at = null, moved_at = p_at where id = any (p_ids) and state = 'promised' returning id
  )
  select coalesce(array_agg(id), '{}') into v_returned from moved;
  update campaigns c set used_fen = c.used_fen - r.fen
  from (select campaign_id, sum(bonus_fen) as fen from bonus_promises where id = any (v_returned) and coupon_id is null group by 1) r
  where c.id = r.campaign_id;
  update coupons k set state = 'issued', order_id = null, moved_at = p_at
  from bonus_promises p where p.id = any (v_returned) and k.id = p.coupon_id and k.state = 'reserved' and k.order_id = p.order_id;
  return cardinality(v_returned);
end $$;

-- Promise what an order chose. False when it is not to be had any more: then nothing was written. The caller holds the locks of
-- `lock_offers` and has judged time, tier and the user's share; budget and coupon are held here again, by the table's own checks.
create function promise_bonus(
  p_shop bigint, p_at timestamptz, p_id uuid, p_order uuid, p_user bigint, p_paid bigint, p_campaign bigint, p_coupon uuid, p_bonus bigint,
  p_until timestamptz, p_look timestamptz
) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_before uuid;
begin
  if p_coupon is not null then
    select k.order_id into v_before from coupons k where k.id = p_coupon and k.state = 'reserved';
    if v_before is not null and order_is_dead(v_before) then
      perform return_promises(p_at, array(select p.id from bonus_promises p where p.order_id = v_before and p.coupon_id = p_coupon));
    end if;
    update coupons k set state = 'reserved', order_id = p_order, moved_at = p_at
    where k.id = p_coupon and k.state = 'issued' and k.expires_at > p_at and (k.user_id is null or k.user_id = p_user);
  else
    update campaigns c set used_fen = c.used_fen + p_bonus
    where c.id = p_campaign and c.state = 'running' and c.used_fen + p_bonus <= c.budget_fen;
  end if;
  if not found then
    return false;
  end if;
  insert into bonus_promises (id, shop_id, order_id, user_id, campaign_id, coupon_id, paid_fen, bonus_fen, until_at, next_look_at,
    promised_at, moved_at)
  values (p_id, p_shop, p_order, p_user, p_campaign, p_coupon, p_paid, p_bonus, p_until, p_look, p_at, p_at);
  return true;
end $$;

-- Promise again what was returned: an order that is tried again, or whose money was on its way when it ended. Answers what stands promised.
create function renew_promises(p_at timestamptz, p_orders uuid[], p_until timestamptz, p_look timestamptz) returns setof bonus_promises
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_promise record;
begin
  perform from campaigns c where c.id in (select p.campaign_id from bonus_promises p where p.order_id = any (p_orders) and p.state = 'returned')
    order by c.id for no key update;
  perform from coupons k where k.id in (select p.coupon_id from bonus_promises p where p.order_id = any (p_orders)) order by k.id for no key update;
  for v_promise in select * from bonus_promises p where p.order_id = any (p_orders) and p.state = 'returned' order by p.id for update loop
    if v_promise.coupon_id is null then
      update campaigns c set used_fen = c.used_fen + v_promise.bonus_fen
      where c.id = v_promise.campaign_id and c.used_fen + v_promise.bonus_fen <= c.budget_fen
        and (c.user_fen is null or v_promise.bonus_fen + coalesce((select sum(o.bonus_fen) from bonus_promises o
          where o.campaign_id = c.id and o.user_id = v_promise.user_id and o.state <> 'returned'), 0) <= c.user_fen)
        and (c.user_count is null or (select count(*) from bonus_promises o
          where o.campaign_id = c.id and o.user_id = v_promise.user_id and o.state <> 'returned') < c.user_count);
    else
      update coupons k set state = 'reserved', order_id = v_promise.order_id, moved_at = p_at
      where k.id = v_promise.coupon_id and k.state = 'issued';
    end if;
    if found then
      update bonus_promises set state = 'promised', next_look_at = p_look, until_at = coalesce(p_until, until_at), moved_at = p_at
      where id = v_promise.id;
    end if;
  end loop;
  update bonus_promises set until_at = greatest(until_at, p_until) where order_id = any (p_orders) and state = 'promised' and p_until is not null;
  return query select * from bonus_promises p where p.order_id = any (p_orders) and p.state = 'promised' order by p.id;
end $$;

-- Give what was promised, in the transaction that credits its order: the promises that moved, for the caller to book.
create function grant_promises(p_at timestamptz, p_ids uuid[]) returns setof bonus_promises
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform from coupons k where k.id in (select p.coupon_id from bonus_promises p where p.id = any (p_ids)) order by k.id for no key update;
  update coupons k set state = 'used', moved_at = p_at
  from bonus_promises p where p.id = any (p_ids) and p.state = 'promised' and k.id = p.coupon_id and k.state = 'reserved' and k.order_id = p.order_id;
  return query
  update bonus_promises p set state = 'granted', next_look_at = null, moved_at = p_at
  where p.id = any (p_ids) and p.state = 'promised'
    and (p.coupon_id is null or exists (select from coupons k where k.id = p.coupon_id and k.state = 'used' and k.order_id = p.order_id))
  returning p.*;
end $$;

-- Bring back what is promised to an order that ended without it. The order's user is locked by the caller.
create function end_promises(p_at timestamptz, p_orders uuid[]) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform from campaigns c where c.id in (select p.campaign_id from bonus_promises p where p.order_id = any (p_orders) and p.state = 'promised')
    order by c.id for no key update;
  perform from coupons k where k.id in (select p.coupon_id from bonus_promises p where p.order_id = any (p_orders)) order by k.id for no key update;
  return return_promises(p_at, array(select p.id from bonus_promises p where p.order_id = any (p_orders) and p.state = 'promised'));
end $$;

create function begin_taking(p_at timestamptz, p_refund uuid, p_promise uuid, p_hold uuid, p_due bigint, p_amount bigint) returns void
language sql security definer set search_path = public, pg_temp as $$
  insert into bonus_takings (refund_id, promise_id, hold_id, due_fen, amount_fen, at, moved_at)
  values (p_refund, p_promise, p_hold, p_due, p_amount, p_at, p_at);
$$;

-- End what a refund takes: taken with the money, or given back with it. Answers the holds to be ended.
create function end_takings(p_at timestamptz, p_refund uuid, p_state text) returns setof bonus_takings
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  return query
  with moved as (
    update bonus_takings t set state = p_state, moved_at = p_at where t.refund_id = p_refund and t.state = 'waiting' returning t.*
  ), counted as (
    update bonus_promises p set taken_fen = p.taken_fen + m.amount_fen from moved m where p.id = m.promise_id and p_state = 'taken'
  )
  select * from moved;
end $$;

create view offers_facts as
  select p.shop_id, p.user_id, p.order_id, p.campaign_id, p.coupon_id, p.bonus_fen, p.taken_fen, p.state, p.until_at, p.promised_at
  from bonus_promises p;

grant select on campaigns, coupons, bonus_promises, bonus_takings, offers_facts to daozhang_app;
grant update (next_look_at) on bonus_promises to daozhang_app;
grant execute on function
  propose_campaign(bigint, timestamptz, text, text, text, timestamptz, timestamptz, bigint[], bigint[], bigint, bigint, integer, boolean, text),
  lock_campaign(bigint, bigint), approve_campaign(bigint, timestamptz, bigint, text), stop_campaign(bigint, timestamptz, bigint, text, text),
  issue_coupons(bigint, timestamptz, bigint, uuid[], bytea[], text[], bigint, timestamptz, text),
  order_is_dead(uuid), lock_offers(bigint, bigint[], bytea[]),
  promise_bonus(bigint, timestamptz, uuid, uuid, bigint, bigint, bigint, uuid, bigint, timestamptz, timestamptz),
  renew_promises(timestamptz, uuid[], timestamptz, timestamptz), grant_promises(timestamptz, uuid[]), end_promises(timestamptz, uuid[]),
  begin_taking(timestamptz, uuid, uuid, uuid, bigint, bigint), end_takings(timestamptz, uuid, text)
  to daozhang_app;
