-- An order that waits before its payment has an end, keeps what it was asked for with, and its goods can be set aside anew when it goes on.

-- `wish` is sealed: basket, card, device and payer as they were given. One row an order, of its newest wait.
create table order_waits (
  order_id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null,
  state text not null check (state in ('challenged', 'reviewing')),
  wish bytea not null check (octet_length(wish) between 34 and 8192),
  since_at timestamptz not null,
  ends_at timestamptz not null,
  next_look_at timestamptz
);
create index order_waits_due on order_waits (next_look_at) where next_look_at is not null;
create view order_waits_facts as
  select w.order_id, w.shop_id, w.user_id, w.state, w.since_at, w.ends_at from order_waits w;

-- A case that nobody of ours answered ends as well, where money hangs on it.
insert into legal_case_moves (from_state, move, to_state) values ('need_staff', 'lapsed', 'closed'), ('second', 'lapsed', 'closed');

insert into legal_purchase_moves (from_state, move, to_state) values ('released', 'renewed', 'reserved');

-- Set the pieces of a purchase aside for one more try of its order: what is aside stays so until the new moment, what went back is taken
-- anew. False when there are not enough pieces that nobody else is taking, or when the purchase is delivered.
create function renew_purchase(p_at timestamptz, p_actor text, p_id uuid, p_hold uuid, p_expires timestamptz, p_due timestamptz)
returns boolean
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
  select array_agg(c.id) into v_cards from (
    select s.id from stock s where s.goods_id = v_purchase.goods_id and s.shop_id = v_purchase.shop_id and s.state = 'available'
    order by s.id limit v_purchase.count for update skip locked
  ) c;
  if coalesce(cardinality(v_cards), 0) < v_purchase.count then
    return false;
  end if;
  update purchases set state = 'reserved', version = version + 1, moved_at = p_at, next_look_at = p_due, expires_at = p_expires, reason = '',
    hold_id = p_hold where id = p_id;
  insert into purchase_moves (purchase_id, version, from_state, move, to_state, actor, reason, at)
  values (p_id, v_purchase.version + 1, 'released', 'renewed', 'reserved', p_actor, '', p_at);
  update stock set state = 'reserved', purchase_id = p_id, moved_at = p_at where id = any (v_cards);
  return true;
end $$;

grant select, insert, update (state, wish, since_at, ends_at, next_look_at) on order_waits to daozhang_app;
grant select on order_waits_facts to daozhang_app;
grant execute on function renew_purchase(timestamptz, text, uuid, uuid, timestamptz, timestamptz) to daozhang_app;
