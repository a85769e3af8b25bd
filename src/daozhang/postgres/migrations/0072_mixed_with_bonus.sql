-- What the balance pays of a purchase at a channel takes its bonus with it, as every spending does: each part waits in a hold of its own.
alter table purchases
  add bonus_hold_id uuid references holds,
  add bonus_fen bigint not null default 0 check (bonus_fen >= 0),
  drop constraint purchases_check2,
  add constraint purchases_holds check (
    bonus_fen <= balance_fen and (bonus_hold_id is null) = (bonus_fen = 0)
    and (hold_id is null) = (order_id is null or balance_fen = bonus_fen) and (order_id is not null or bonus_fen = 0));

drop function begin_purchase(bigint, timestamptz, uuid, bigint, bigint, integer, bigint, bigint, uuid, uuid, timestamptz, timestamptz);
drop function renew_purchase(timestamptz, text, uuid, uuid, timestamptz, timestamptz);

-- Begin a purchase and set its codes aside, all or none: false when there are not enough that nobody else is taking.
create function begin_purchase(
  p_shop bigint, p_at timestamptz, p_id uuid, p_user bigint, p_goods bigint, p_count integer, p_price bigint, p_balance bigint,
  p_order uuid, p_hold uuid, p_expires timestamptz, p_due timestamptz, p_bonus_hold uuid, p_bonus bigint
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
    next_look_at, created_at, expires_at, moved_at, bonus_hold_id, bonus_fen)
  values (p_id, p_shop, p_user, p_goods, p_count, p_price, p_balance, p_price * p_count - p_balance, p_order, p_hold, 'reserved', 0,
    p_due, p_at, p_expires, p_at, p_bonus_hold, p_bonus);
  update stock set state = 'reserved', purchase_id = p_id, moved_at = p_at where id = any (v_cards);
  return true;
end $$;

-- A purchase that was put back is set aside anew for one more try of its order, its account with it.
create function renew_purchase(
  p_at timestamptz, p_actor text, p_id uuid, p_hold uuid, p_expires timestamptz, p_due timestamptz,
  p_bonus_hold uuid, p_bonus bigint
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
    hold_id = p_hold, bonus_hold_id = p_bonus_hold, bonus_fen = p_bonus where id = p_id;
  insert into purchase_moves (purchase_id, version, from_state, move, to_state, actor, reason, at)
  values (p_id, v_purchase.version + 1, 'released', 'renewed', 'reserved', p_actor, '', p_at);
  update stock set state = 'reserved', purchase_id = p_id, moved_at = p_at where id = any (v_cards);
  return true;
end $$;

grant execute on function
  begin_purchase(bigint, timestamptz, uuid, bigint, bigint, integer, bigint, bigint, uuid, uuid, timestamptz, timestamptz, uuid, bigint),
  renew_purchase(timestamptz, text, uuid, uuid, timestamptz, timestamptz, uuid, bigint)
  to daozhang_app;
