-- What may be booked is data: a transfer of a kind that no room declared is refused, so that the proof can say of every transfer why it is there.

-- From which kind of account to which. A room that books something new adds its rows in its own migration.
create table transfer_kinds (
  kind text not null,
  from_kind text not null references chart,
  to_kind text not null references chart,
  primary key (kind, from_kind, to_kind)
);
create trigger transfer_kinds_unchanged before update or delete on transfer_kinds for each row execute function refuse_change();
create trigger transfer_kinds_kept before truncate on transfer_kinds execute function refuse_change();

insert into transfer_kinds (kind, from_kind, to_kind) values
  ('hold.reserve', 'user_cash', 'user_reserved'),
  ('hold.released', 'user_reserved', 'user_cash'),
  ('hold.captured', 'user_reserved', 'channel_receivable'),
  ('purchase', 'user_cash', 'platform_sales'),
  ('recharge', 'channel_receivable', 'user_cash'),
  ('recharge', 'channel_receivable', 'user_review'),
  ('recharge', 'platform_suspense', 'user_cash'),
  ('recharge', 'platform_suspense', 'user_review'),
  ('recharge.misfit', 'channel_receivable', 'platform_suspense'),
  ('recharge.twice', 'channel_receivable', 'platform_suspense'),
  ('recharge.unknown_order', 'channel_receivable', 'platform_suspense'),
  ('release', 'user_review', 'user_cash'),
  ('release', 'platform_suspense', 'user_cash'),
  ('refund', 'user_review', 'channel_receivable'),
  ('refund', 'platform_suspense', 'channel_receivable'),
  ('refund', 'user_cash', 'channel_receivable');

-- Law 3 as before: a transfer without postings is refused in the statement that writes it. Law 4: so is one of an unknown kind. Which
-- accounts a kind may join is left to the proof: here it would cost a look at every account of every posting.
create or replace function judge_transfers() returns trigger
language plpgsql set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  v_culprit text;
begin
  select t.id::text into v_culprit
  from new_transfers t left join postings p on p.transfer_id = t.id and p.line = t.line_count
  where p.line is null
  limit 1;
  if found then
    raise exception 'transfer % has no postings', v_culprit using errcode = 'check_violation', constraint = 'transfer_balance';
  end if;
  select n.kind into v_culprit
  from (select distinct kind from new_transfers) n
  where not exists (select from transfer_kinds k where k.kind = n.kind)
  limit 1;
  if found then
    raise exception 'nothing is booked as %', v_culprit using errcode = 'check_violation', constraint = 'transfer_kinds';
  end if;
  return null;
end $$;

grant select on transfer_kinds to daozhang_app;
