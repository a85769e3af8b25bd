-- What may go back is bounded by what was paid, which may be more or less than the order asked for.

do $$
declare
  v_name text;
begin
  for v_name in
    select conname from pg_constraint
    where conrelid = 'orders'::regclass and contype = 'c' and pg_get_constraintdef(oid) like '%refunded_fen%'
  loop
    execute format('alter table orders drop constraint %I', v_name);
  end loop;
end $$;

alter table orders add constraint orders_refunded check (refunded_fen >= 0);

create or replace function count_refund(p_order uuid, p_delta_fen bigint) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_refunded_fen bigint;
begin
  update orders o set refunded_fen = o.refunded_fen + p_delta_fen
  where o.id = p_order and o.refunded_fen + p_delta_fen <= (
    select coalesce(max(a.paid_fen), 0) from attempts a where a.order_id = o.id and a.id >= o.id and a.state = 'paid'
  )
  returning o.refunded_fen into v_refunded_fen;
  if not found then
    raise exception 'order % would return more than was paid', p_order using errcode = 'check_violation', constraint = 'orders_refunded';
  end if;
  return v_refunded_fen;
end $$;
