-- Goods, their card stock and what was bought: a code is sealed, set aside for one purchase and delivered once, whoever races for it.

-- Every good has a class. A class that must not be sold is in the list, so that refusing it is a fact and not an omission.
create table goods_classes (class text primary key, forbidden boolean not null, meaning text not null);
insert into goods_classes (class, forbidden, meaning) values
  ('game_card', false, 'codes of game cards and points'),
  ('game_topup', false, 'top-up of a game account by its operator'),
  ('phone_topup', false, 'mobile credit and data'),
  ('membership', false, 'time of video, music and reading services'),
  ('voucher', false, 'vouchers of shops and restaurants'),
  ('software', false, 'licence keys of their maker'),
  ('cheat', true, 'cheats and scripts for games'),
  ('stolen_account', true, 'accounts of others, sold or rented'),
  ('sms_code', true, 'receiving codes for numbers of others'),
  ('virtual_currency', true, 'crypto-assets and their equivalents');

create table goods (
  id bigint generated always as identity primary key,
  shop_id bigint not null references shops,
  class text not null references goods_classes,
  name text not null check (length(name) between 1 and 80),
  price_fen bigint not null check (price_fen between 1 and 9999999999),
  source text not null check (length(source) between 1 and 200),
  on_sale boolean not null default false,
  created_at timestamptz not null,
  changed_at timestamptz not null,
  unique (shop_id, name)
);

create function goods_are_allowed() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if (select c.forbidden from goods_classes c where c.class = new.class) then
    raise exception 'goods of class % are not sold', new.class using errcode = 'check_violation', constraint = 'goods_class';
  end if;
  return new;
end $$;
create trigger goods_are_allowed before insert or update on goods for each row execute function goods_are_allowed();

-- A purchase: of `count` pieces at the price of that moment, paid from the balance (`balance_fen`) and at a channel (`channel_fen`).
create table purchase_states (state text primary key, terminal boolean not null);
insert into purchase_states (state, terminal) values ('reserved', false), ('delivered', true), ('released', true);
create table legal_purchase_moves (
  from_state text not null references purchase_states,
  move text not null,
  to_state text not null references purchase_states,
  primary key (from_state, move),
  unique (from_state, move, to_state)
);
insert into legal_purchase_moves (from_state, move, to_state) values
  ('reserved', 'delivered', 'delivered'), ('reserved', 'released', 'released');

create table purchases (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null,
  goods_id bigint not null references goods,
  count integer not null check (count between 1 and 100),
  price_fen bigint not null check (price_fen > 0),
  balance_fen bigint not null check (balance_fen >= 0),
  channel_fen bigint not null check (channel_fen >= 0),
  order_id uuid unique,
  hold_id uuid references holds,
  state text not null references purchase_states,
  version integer not null,
  reason text not null default '',
  next_look_at timestamptz,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  moved_at timestamptz not null,
  check (balance_fen + channel_fen = price_fen * count),
  check ((order_id is null) = (channel_fen = 0)),
  check ((hold_id is null) = (order_id is null or balance_fen = 0))
);
create index on purchases (user_id, id);
create index purchases_due on purchases (next_look_at) where next_look_at is not null;

create table purchase_moves (
  purchase_id uuid not null references purchases,
  version integer not null,
  from_state text not null,
  move text not null,
  to_state text not null,
  actor text not null,
  reason text not null,
  at timestamptz not null,
  primary key (purchase_id, version),
  foreign key (from_state, move, to_state) references legal_purchase_moves (from_state, move, to_state)
);
create trigger purchase_moves_unchanged before update or delete on purchase_moves for each row execute function refuse_change();
create trigger purchase_moves_kept before truncate on purchase_moves execute function refuse_change();

-- The request that made a purchase from the balance; a repeat finds it here.
create table purchase_keys (
  shop_id bigint not null,
  user_id bigint not null,
  key text not null check (length(key) between 8 and 64),
  request_hash bytea not null,
  purchase_id uuid not null,
  seen integer not null default 1,
  primary key (shop_id, user_id, key)
);

create table stock (
  id uuid primary key,
  shop_id bigint not null references shops,
  goods_id bigint not null references goods,
  code_sealed bytea not null check (octet_length(code_sealed) between 34 and 2048),
  code_blind bytea not null check (octet_length(code_blind) = 32),
  state text not null default 'available' check (state in ('available', 'reserved', 'delivered', 'withdrawn')),
  purchase_id uuid references purchases,
  added_at timestamptz not null,
  moved_at timestamptz not null,
  unique (shop_id, code_blind),
  check ((purchase_id is null) = (state in ('available', 'withdrawn')))
);
create index stock_available on stock (goods_id, id) where state = 'available';
create index on stock (purchase_id) where purchase_id is not null;

-- What was delivered is delivered: it is never sold again, and a code belongs to the one purchase that set it aside.
create function stock_moves_once() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if old.state = 'delivered' or (old.state = 'reserved' and new.state = 'delivered' and new.purchase_id <> old.purchase_id)
     or (new.state = 'delivered' and old.state <> 'reserved') or new.code_blind <> old.code_blind or new.goods_id <> old.goods_id then
    raise exception 'card % does not move so', old.id using errcode = 'check_violation', constraint = 'stock_moves';
  end if;
  return new;
end $$;
create trigger stock_moves_once before update on stock for each row execute function stock_moves_once();
create trigger stock_kept before delete on stock for each row execute function refuse_change();
create trigger stock_never_emptied before truncate on stock execute function refuse_change();

-- Add codes; those that the shop holds already, sold ones included, are left out. Answers how many are new.
create function add_stock(p_shop bigint, p_goods bigint, p_at timestamptz, p_ids uuid[], p_sealed bytea[], p_blind bytea[]) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_added integer;
begin
  insert into stock (id, shop_id, goods_id, code_sealed, code_blind, added_at, moved_at)
  select u.id, p_shop, g.id, u.sealed, u.blind, p_at, p_at
  from unnest(p_ids, p_sealed, p_blind) as u (id, sealed, blind) join goods g on g.id = p_goods and g.shop_id = p_shop
  order by u.blind
  on conflict (shop_id, code_blind) do nothing;
  get diagnostics v_added = row_count;
  return v_added;
end $$;

-- Begin a purchase and set its codes aside, all or none: false when there are not enough that nobody else is taking.
create function begin_purchase(
  p_shop bigint, p_at timestamptz, p_id uuid, p_user bigint, p_goods bigint, p_count integer, p_price bigint, p_balance bigint,
  p_order uuid, p_hold uuid, p_expires timestamptz, p_due timestamptz
) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_cards uuid[];
begin
  select array_agg(c.id) into v_cards from (
    select s.id from stock s where s.goods_id = p_goods and s.shop_id = p_shop and s.state = 'available'
    order by s.id limit p_count for update skip locked
  ) c;
  if coalesce(cardinality(v_cards), 0) < p_count then
    return false;
  end if;
  insert into purchases (id, shop_id, user_id, goods_id, count, price_fen, balance_fen, channel_fen, order_id, hold_id, state, version,
    next_look_at, created_at, expires_at, moved_at)
  values (p_id, p_shop, p_user, p_goods, p_count, p_price, p_balance, p_price * p_count - p_balance, p_order, p_hold, 'reserved', 0,
    p_due, p_at, p_expires, p_at);
  update stock set state = 'reserved', purchase_id = p_id, moved_at = p_at where id = any (v_cards);
  return true;
end $$;

-- Deliver or release purchases with their codes. A purchase that moved on meanwhile is left alone. Answers those that moved.
create function end_purchases(p_at timestamptz, p_actor text, p_ids uuid[], p_move text, p_reason text) returns setof purchases
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if p_move not in ('delivered', 'released') then
    raise exception 'no purchase moves %', p_move using errcode = 'check_violation';
  end if;
  return query
  with moved as (
    update purchases p set state = p_move, version = p.version + 1, moved_at = p_at, next_look_at = null, reason = p_reason
    where p.id = any (p_ids) and p.state = 'reserved'
    returning p.*
  ), logged as (
    insert into purchase_moves (purchase_id, version, from_state, move, to_state, actor, reason, at)
    select m.id, m.version, 'reserved', p_move, p_move, p_actor, p_reason, p_at from moved m
  ), cards as (
    update stock s set state = case when p_move = 'delivered' then 'delivered' else 'available' end,
      purchase_id = case when p_move = 'delivered' then s.purchase_id end, moved_at = p_at
    from moved m where s.purchase_id = m.id and s.state = 'reserved'
  )
  select * from moved;
end $$;

create view goods_facts as
  select g.shop_id, g.id as goods_id, g.class, g.name, g.price_fen, g.on_sale from goods g;
create view purchases_facts as
  select p.shop_id, p.user_id, p.id as purchase_id, p.order_id, p.state, p.price_fen * p.count as total_fen, p.created_at, p.moved_at
  from purchases p;

insert into transfer_kinds (kind, from_kind, to_kind) values ('hold.captured', 'user_reserved', 'platform_sales');

grant select on goods_classes, goods, purchase_states, legal_purchase_moves, purchases, purchase_moves, purchase_keys, stock, goods_facts,
  purchases_facts to daozhang_app;
grant insert on goods, purchase_keys to daozhang_app;
grant update (name, class, price_fen, source, on_sale, changed_at) on goods to daozhang_app;
grant update (seen) on purchase_keys to daozhang_app;
grant update (next_look_at) on purchases to daozhang_app;
grant execute on function add_stock(bigint, bigint, timestamptz, uuid[], bytea[], bytea[]),
  begin_purchase(bigint, timestamptz, uuid, bigint, bigint, integer, bigint, bigint, uuid, uuid, timestamptz, timestamptz),
  end_purchases(timestamptz, text, uuid[], text, text) to daozhang_app;
