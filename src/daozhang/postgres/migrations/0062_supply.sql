-- Direct top-up: a supplier delivers to an account that the buyer names; ordered once, asked after, paid back when refused.

alter table goods
  add column delivery text not null default 'cards' check (delivery in ('cards', 'topup')),
  add column sku text not null default '' check (length(sku) <= 64),
  add column target text not null default '' check (length(target) <= 32),
  add column target_pattern text not null default '' check (length(target_pattern) <= 200),
  add constraint goods_topup check ((delivery = 'topup') = (sku <> '' and target_pattern <> ''));

alter table providers drop constraint providers_purpose_check;
alter table providers add constraint providers_purpose_check check (purpose in ('sms', 'email', 'face', 'identity', 'supplier'));

insert into purchase_states (state, terminal) values ('supplying', false), ('returned', true);
insert into legal_purchase_moves (from_state, move, to_state) values
  ('reserved', 'ordered', 'supplying'), ('supplying', 'delivered', 'delivered'), ('supplying', 'refused', 'returned');
insert into transfer_kinds (kind, from_kind, to_kind) values ('purchase.returned', 'platform_sales', 'user_cash');

-- What is to be delivered to whom. The purchase's own number is the supplier's order number, the same on every try. `tries` is counted in a
-- commit before the supplier is called: whoever finds it above zero asks before ordering again.
create table supplies (
  purchase_id uuid primary key references purchases,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  sku text not null check (length(sku) between 1 and 64),
  target_sealed bytea not null check (octet_length(target_sealed) between 34 and 1024),
  count integer not null check (count between 1 and 100),
  state text not null default 'waiting' check (state in ('waiting', 'ordered', 'done', 'refused', 'dropped')),
  tries integer not null default 0 check (tries >= 0),
  looks integer not null default 0 check (looks >= 0),
  serial text not null default '' check (length(serial) <= 128),
  said text not null default '' check (length(said) <= 64),
  next_look_at timestamptz,
  created_at timestamptz not null,
  moved_at timestamptz not null,
  check ((state = 'ordered') = (next_look_at is not null))
);
create index supplies_due on supplies (next_look_at) where next_look_at is not null;

create or replace function begin_purchase(
  p_shop bigint, p_at timestamptz, p_id uuid, p_user bigint, p_goods bigint, p_count integer, p_price bigint, p_balance bigint,
  p_order uuid, p_hold uuid, p_expires timestamptz, p_due timestamptz
) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_cards uuid[];
  v_topup boolean;
begin
  select g.delivery = 'topup' into v_topup from goods g where g.id = p_goods and g.shop_id = p_shop;
  if not v_topup then
    select array_agg(c.id) into v_cards from (
      select s.id from stock s where s.goods_id = p_goods and s.shop_id = p_shop and s.state = 'available'
      order by s.id limit p_count for update skip locked
    ) c;
    if coalesce(cardinality(v_cards), 0) < p_count then
      return false;
    end if;
  end if;
  insert into purchases (id, shop_id, user_id, goods_id, count, price_fen, balance_fen, channel_fen, order_id, hold_id, state, version,
    next_look_at, created_at, expires_at, moved_at)
  values (p_id, p_shop, p_user, p_goods, p_count, p_price, p_balance, p_price * p_count - p_balance, p_order, p_hold, 'reserved', 0,
    p_due, p_at, p_expires, p_at);
  update stock set state = 'reserved', purchase_id = p_id, moved_at = p_at where id = any (v_cards);
  return true;
end $$;

create or replace function stock_there(p_shop bigint, p_goods bigint, p_count integer) returns boolean
language sql security definer set search_path = public, pg_temp as $$
  select exists (select from goods g where g.id = p_goods and g.shop_id = p_shop and g.delivery = 'topup') or (
    select count(*) >= p_count from (
      select s.id from stock s where s.shop_id = p_shop and s.goods_id = p_goods and s.state = 'available'
      order by s.id limit p_count for update skip locked
    ) free)
$$;

-- A purchase that was put back is set aside anew for one more try of its order, its account with it.
create or replace function renew_purchase(
  p_at timestamptz, p_actor text, p_id uuid, p_hold uuid, p_expires timestamptz, p_due timestamptz
) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_purchase purchases;
  v_cards uuid[];
begin
  select * into v_purchase from purchases where id = p_id for no key update;
  if v_purchase.state = 'reserved' then
    update purchases set expires_at = greatest(expires_at, p_expires), next_look_at = p_due where id = p_id;
    return true;
  elsif v_purchase.state is distinct from 'released' then
    return false;
  end if;
  if exists (select from supplies s where s.purchase_id = p_id) then
    update supplies set state = 'waiting', moved_at = p_at where purchase_id = p_id and state = 'dropped';
  else
    select array_agg(c.id) into v_cards from (
      select s.id from stock s where s.goods_id = v_purchase.goods_id and s.shop_id = v_purchase.shop_id and s.state = 'available'
      order by s.id limit v_purchase.count for update skip locked
    ) c;
    if coalesce(cardinality(v_cards), 0) < v_purchase.count then
      return false;
    end if;
  end if;
  update purchases set state = 'reserved', version = version + 1, moved_at = p_at, next_look_at = p_due, expires_at = p_expires, reason = '',
    hold_id = p_hold where id = p_id;
  insert into purchase_moves (purchase_id, version, from_state, move, to_state, actor, reason, at)
  values (p_id, v_purchase.version + 1, 'released', 'renewed', 'reserved', p_actor, '', p_at);
  update stock set state = 'reserved', purchase_id = p_id, moved_at = p_at where id = any (v_cards);
  return true;
end $$;

-- Hand over or put back. To hand over a top-up is to order it: it is delivered when its supplier says so.
create or replace function end_purchases(p_at timestamptz, p_actor text, p_ids uuid[], p_move text, p_reason text) returns setof purchases
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if p_move not in ('delivered', 'released') then
    raise exception 'no purchase moves %', p_move using errcode = 'check_violation';
  end if;
  return query
  with moved as (
    update purchases p set state = case when p_move = 'delivered' and g.delivery = 'topup' then 'supplying' else p_move end,
      version = p.version + 1, moved_at = p_at, next_look_at = null, reason = p_reason
    from goods g
    where p.id = any (p_ids) and p.state = 'reserved' and g.id = p.goods_id
    returning p.*
  ), logged as (
    insert into purchase_moves (purchase_id, version, from_state, move, to_state, actor, reason, at)
    select m.id, m.version, 'reserved', case when m.state = 'supplying' then 'ordered' else p_move end, m.state, p_actor, p_reason, p_at
    from moved m
  ), cards as (
    update stock s set state = case when p_move = 'delivered' then 'delivered' else 'available' end,
      purchase_id = case when p_move = 'delivered' then s.purchase_id end, moved_at = p_at
    from moved m where s.purchase_id = m.id and s.state = 'reserved'
  ), supply as (
    update supplies s set state = case when m.state = 'supplying' then 'ordered' else 'dropped' end,
      next_look_at = case when m.state = 'supplying' then p_at end, moved_at = p_at
    from moved m where s.purchase_id = m.id and s.state = 'waiting'
  )
  select * from moved;
end $$;

-- The supplier's last word. Answers the purchase when this call was the one that moved it.
create function end_supply(p_at timestamptz, p_actor text, p_purchase uuid, p_move text, p_reason text) returns setof purchases
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if p_move not in ('delivered', 'refused') then
    raise exception 'no supply ends %', p_move using errcode = 'check_violation';
  end if;
  return query
  with moved as (
    update purchases p set state = case when p_move = 'delivered' then 'delivered' else 'returned' end, version = p.version + 1,
      moved_at = p_at, reason = p_reason
    where p.id = p_purchase and p.state = 'supplying'
    returning p.*
  ), logged as (
    insert into purchase_moves (purchase_id, version, from_state, move, to_state, actor, reason, at)
    select m.id, m.version, 'supplying', p_move, m.state, p_actor, p_reason, p_at from moved m
  ), supply as (
    update supplies s set state = case when p_move = 'delivered' then 'done' else 'refused' end, next_look_at = null, moved_at = p_at
    from moved m where s.purchase_id = m.id
  )
  select * from moved;
end $$;

grant select, insert on supplies to daozhang_app;
grant update (tries, looks, serial, said, next_look_at) on supplies to daozhang_app;
grant execute on function end_supply(timestamptz, text, uuid, text, text) to daozhang_app;
