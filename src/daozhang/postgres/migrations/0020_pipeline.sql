-- Policy at every stage: decisions about spending and refunds, who ordered from where, one-time passes, and rules on trial.

alter table decisions drop constraint decisions_stage_check;
alter table decisions add constraint decisions_stage_check check (stage in ('asked', 'place', 'paid', 'spend', 'refund'));

-- Where an order was placed from, written with its decision: the windows over devices and payers count by these. `device` is the hash of
-- the browser's token, the same for all who use it; `payer` is a blind index; `province` is as coarse as a place is ever kept.
create table order_marks (
  order_id uuid primary key,
  shop_id bigint not null,
  user_id bigint not null,
  device bytea check (octet_length(device) = 32),
  payer bytea check (octet_length(payer) = 32),
  province text check (length(province) between 1 and 40),
  amount_fen bigint not null,
  at timestamptz not null
) partition by range (order_id);
create index on order_marks (device, order_id) where device is not null;
create index on order_marks (payer, order_id) where payer is not null;
select partition_by_month('order_marks', true, '{}', 'order_id');

-- Who paid for whom: once per payment, at settlement.
create table payer_marks (
  order_id uuid primary key,
  shop_id bigint not null,
  payer bytea not null check (octet_length(payer) = 32),
  user_id bigint not null,
  amount_fen bigint not null,
  at timestamptz not null
) partition by range (order_id);
create index on payer_marks (payer, at);
select partition_by_month('payer_marks', true, '{}', 'order_id');

create table payer_flags (
  id bigint generated always as identity primary key,
  shop_id bigint not null references shops,
  payer bytea not null check (octet_length(payer) = 32),
  flagged boolean not null,
  why text not null check (length(why) between 1 and 200),
  actor text not null check (length(actor) between 1 and 64),
  ends_at timestamptz,
  at timestamptz not null
);
create index on payer_flags (payer, id);
create trigger payer_flags_unchanged before update or delete on payer_flags for each row execute function refuse_change();
create trigger payer_flags_kept before truncate on payer_flags execute function refuse_change();

-- In which province a user was seen on which day. `login_at` is the first log-in there on that day, null when only an order came.
create table place_days (
  user_id bigint not null references users,
  day date not null,
  province text not null check (length(province) between 1 and 40),
  login_at timestamptz,
  at timestamptz not null,
  primary key (user_id, day, province)
);

create function note_place(p_user bigint, p_province text, p_login boolean, p_at timestamptz) returns void
language sql security definer set search_path = public, pg_temp as $$
  insert into place_days as d (user_id, day, province, login_at, at)
  values (p_user, business_day(p_at), p_province, case when p_login then p_at end, p_at)
  on conflict (user_id, day, province) do update set login_at = excluded.login_at where d.login_at is null and excluded.login_at is not null
$$;

-- What a person allowed once: to this user, up to this amount, until then. Used by one order, in the commit that admits it.
create table policy_passes (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  most_fen bigint not null check (most_fen > 0),
  why text not null check (length(why) between 1 and 200),
  actor text not null check (length(actor) between 1 and 64),
  granted_at timestamptz not null,
  ends_at timestamptz not null check (ends_at > granted_at),
  used_at timestamptz,
  used_by uuid,
  check ((used_at is null) = (used_by is null))
);
create index policy_passes_open on policy_passes (user_id) where used_at is null;

create function use_pass(p_user bigint, p_amount_fen bigint, p_order uuid, p_at timestamptz) returns uuid
language sql security definer set search_path = public, pg_temp as $$
  update policy_passes set used_at = p_at, used_by = p_order
  where id = (
    select p.id from policy_passes p
    where p.user_id = p_user and p.used_at is null and p.ends_at > p_at and p.most_fen >= p_amount_fen
    order by p.most_fen, p.ends_at limit 1 for no key update
  ) and used_at is null
  returning id
$$;

-- The small-amount budget: how much oddity one account, device or payer had on one day.
create table tolerance_days (
  key bytea not null check (octet_length(key) between 2 and 40),
  day date not null,
  used_fen bigint not null check (used_fen >= 0),
  used_count integer not null check (used_count >= 0),
  primary key (key, day)
);

-- Takes an amount from every key's budget or from none. The rows are locked in the order of their keys, so it cannot be outrun.
create function take_tolerance(p_keys bytea[], p_day date, p_amount_fen bigint, p_day_fen bigint, p_day_count integer, p_month_fen bigint)
returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_over boolean;
begin
  insert into tolerance_days (key, day, used_fen, used_count)
  select k, p_day, 0, 0 from unnest(p_keys) k order by k on conflict do nothing;
  perform from tolerance_days t where t.key = any (p_keys) and t.day = p_day order by t.key for no key update;
  select bool_or(today.used_fen + p_amount_fen > p_day_fen or today.used_count + 1 > p_day_count or month.used_fen + p_amount_fen > p_month_fen)
  into v_over
  from unnest(p_keys) k
  cross join lateral (select t.used_fen, t.used_count from tolerance_days t where t.key = k and t.day = p_day) today
  cross join lateral (select sum(t.used_fen) as used_fen from tolerance_days t where t.key = k and t.day > p_day - 30) month;
  if v_over then
    return false;
  end if;
  update tolerance_days t set used_fen = t.used_fen + p_amount_fen, used_count = t.used_count + 1
  where t.key = any (p_keys) and t.day = p_day;
  return true;
end $$;

-- A loss that a person confirmed: fraud or a payment taken back. It takes a user's tolerance away for ninety days.
create table policy_losses (
  order_id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  amount_fen bigint not null check (amount_fen > 0),
  label text not null check (label in ('fraud', 'false_alarm')),
  why text not null check (length(why) between 1 and 200),
  actor text not null check (length(actor) between 1 and 64),
  at timestamptz not null
);
create index on policy_losses (user_id, at);
create trigger policy_losses_unchanged before update or delete on policy_losses for each row execute function refuse_change();
create trigger policy_losses_kept before truncate on policy_losses execute function refuse_change();

-- Rules on trial that would have hit: what nobody felt, beside the decision that was made.
create table rule_trials (
  decision_id uuid not null,
  shop_id bigint not null,
  rule text not null check (length(rule) between 1 and 64),
  book_version integer not null,
  outcome text not null,
  amount_fen bigint,
  at timestamptz not null,
  primary key (decision_id, rule)
);
create index on rule_trials (shop_id, rule, at);
create trigger rule_trials_unchanged before update or delete on rule_trials for each row execute function refuse_change();
create trigger rule_trials_kept before truncate on rule_trials execute function refuse_change();

grant select, insert on order_marks, payer_marks, payer_flags, policy_losses, rule_trials to daozhang_app;
grant select on place_days, policy_passes, tolerance_days to daozhang_app;
grant insert (id, shop_id, user_id, most_fen, why, actor, granted_at, ends_at) on policy_passes to daozhang_app;
grant execute on function note_place(bigint, text, boolean, timestamptz), use_pass(bigint, bigint, uuid, timestamptz),
  take_tolerance(bytea[], date, bigint, bigint, integer, bigint) to daozhang_app;
