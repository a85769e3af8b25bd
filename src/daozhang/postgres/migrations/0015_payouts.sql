-- Payouts: money whose way back is closed, paid by hand to a verified account of the same name, proposed by one person and approved by another.

insert into chart (kind, pattern, floor_fen, meaning) values
  ('platform_payouts', '^platform:payouts$', null, 'what was paid to users by hand from the shop''s own account');
insert into transfer_kinds (kind, from_kind, to_kind) values
  ('hold.captured', 'user_reserved', 'platform_payouts'),
  ('payout.bounced', 'platform_payouts', 'user_cash');

create table payout_states (state text primary key, terminal boolean not null);
create table legal_payout_moves (
  from_state text not null references payout_states,
  move text not null,
  to_state text not null references payout_states,
  primary key (from_state, move),
  unique (from_state, move, to_state)
);
insert into payout_states (state, terminal) values
  ('proposed', false), ('approved', false), ('rejected', true), ('paid', true), ('bounced', true);
insert into legal_payout_moves (from_state, move, to_state) values
  ('proposed', 'approved', 'approved'), ('proposed', 'rejected', 'rejected'), ('approved', 'rejected', 'rejected'),
  ('approved', 'paid', 'paid'), ('paid', 'bounced', 'bounced');

-- `payee` is sealed: name, bank and number of the account. `reference` is the bank's own, of the payment that a person made.
create table payouts (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null,
  order_id uuid not null,
  amount_fen bigint not null check (amount_fen > 0),
  hold_id uuid not null references holds,
  payee bytea not null check (octet_length(payee) between 34 and 1024),
  payee_tail text not null check (length(payee_tail) between 2 and 8),
  state text not null default 'proposed' references payout_states,
  version integer not null default 0,
  why text not null check (length(why) between 1 and 200),
  proposed_by text not null check (length(proposed_by) between 1 and 64),
  decided_by text check (length(decided_by) between 1 and 64),
  reference text check (length(reference) between 1 and 64),
  created_at timestamptz not null,
  moved_at timestamptz not null,
  constraint payouts_need_two check (state = 'proposed' or state = 'rejected' or decided_by <> proposed_by),
  check (state in ('proposed', 'rejected') or decided_by is not null),
  check ((state in ('paid', 'bounced')) = (reference is not null))
);
create index on payouts (order_id);
create index on payouts (created_at) where state in ('proposed', 'approved');
create unique index payouts_of_hold on payouts (hold_id);

create table payout_moves (
  payout_id uuid not null references payouts,
  version integer not null,
  from_state text not null,
  move text not null,
  to_state text not null,
  actor text not null,
  reason text not null,
  at timestamptz not null,
  primary key (payout_id, version),
  foreign key (from_state, move, to_state) references legal_payout_moves (from_state, move, to_state)
);
create trigger payout_moves_unchanged before update or delete on payout_moves for each row execute function refuse_change();
create trigger payout_moves_kept before truncate on payout_moves execute function refuse_change();
create trigger payouts_kept before delete on payouts for each row execute function refuse_change();

-- What was paid out of an order by hand, or may still be.
create function paid_out_of(p_order uuid) returns bigint
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce(sum(amount_fen), 0)::bigint from payouts where order_id = p_order and state in ('proposed', 'approved', 'paid')
$$;

-- As before, and what was paid out by hand takes of the same room: however money goes back, it is never more than was paid.
create or replace function count_refund(p_order uuid, p_delta_fen bigint) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_refunded_fen bigint;
begin
  update orders o set refunded_fen = o.refunded_fen + p_delta_fen
  where o.id = p_order and (p_delta_fen < 0 or o.refunded_fen + p_delta_fen + paid_out_of(o.id) <= (
    select coalesce(max(a.paid_fen), 0) from attempts a where a.order_id = o.id and a.id >= o.id and a.state = 'paid'
  ))
  returning o.refunded_fen into v_refunded_fen;
  if not found then
    raise exception 'order % would return more than was paid', p_order using errcode = 'check_violation', constraint = 'orders_refunded';
  end if;
  return v_refunded_fen;
end $$;

-- The caller holds the order's lock. Again the last assertion that no more goes back than was paid.
create function create_payout(
  p_shop bigint, p_at timestamptz, p_id uuid, p_user bigint, p_order uuid, p_amount bigint, p_hold uuid, p_payee bytea, p_tail text,
  p_why text, p_actor text
) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if p_amount + paid_out_of(p_order) + (select o.refunded_fen from orders o where o.id = p_order) > (
    select coalesce(max(a.paid_fen), 0) from attempts a where a.order_id = p_order and a.id >= p_order and a.state = 'paid'
  ) then
    raise exception 'order % would return more than was paid', p_order using errcode = 'check_violation', constraint = 'orders_refunded';
  end if;
  insert into payouts (id, shop_id, user_id, order_id, amount_fen, hold_id, payee, payee_tail, why, proposed_by, created_at, moved_at)
  values (p_id, p_shop, p_user, p_order, p_amount, p_hold, p_payee, p_tail, p_why, p_actor, p_at, p_at);
end $$;

create function move_payout(
  p_at timestamptz, p_actor text, p_id uuid, p_from text, p_move text, p_to text, p_reason text, p_reference text
) returns setof payouts
language sql security definer set search_path = public, pg_temp as $$
  with moved as (
    update payouts p set state = p_to, version = p.version + 1, moved_at = p_at,
      decided_by = case when p_move in ('approved', 'rejected') then p_actor else p.decided_by end,
      reference = coalesce(p_reference, p.reference)
    where p.id = p_id and p.state = p_from
    returning p.*
  ), logged as (
    insert into payout_moves (payout_id, version, from_state, move, to_state, actor, reason, at)
    select m.id, m.version, p_from, p_move, p_to, p_actor, coalesce(p_reason, ''), p_at from moved m
  )
  select * from moved
$$;

create function lock_payout(p_id uuid) returns setof payouts
language sql security definer set search_path = public, pg_temp as $$
  select * from payouts where id = p_id for no key update
$$;

create view payouts_facts as
  select p.id as payout_id, p.shop_id, p.user_id, p.order_id, p.amount_fen, p.state, p.proposed_by, p.decided_by, p.created_at from payouts p;

grant select on payout_states, legal_payout_moves, payouts, payout_moves, payouts_facts to daozhang_app;
grant execute on function paid_out_of(uuid),
  create_payout(bigint, timestamptz, uuid, bigint, uuid, bigint, uuid, bytea, text, text, text),
  move_payout(timestamptz, text, uuid, text, text, text, text, text), lock_payout(uuid) to daozhang_app;
