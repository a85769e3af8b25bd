-- Fund lots: what came first leaves first. A debit takes from the oldest lots in its own statement, so where money came from is exact.

-- A credit needs no row here: it becomes a lot when the first debit after it needs to know. `version` is that of the credit's posting.
create table fund_lots (
  account_id bigint not null references accounts,
  version bigint not null,
  transfer_id uuid not null,
  origin text not null,
  amount_fen bigint not null check (amount_fen > 0),
  remaining_fen bigint not null check (remaining_fen between 0 and amount_fen),
  at timestamptz not null,
  primary key (account_id, version)
) with (fillfactor = 70);
create index fund_lots_open on fund_lots (account_id, version) where remaining_fen > 0;

-- What a debit (by the version of its posting) took from which lot; negative when a released hold gave it back to that very lot.
create table lot_uses (
  account_id bigint not null,
  version bigint not null,
  lot_version bigint not null,
  amount_fen bigint not null check (amount_fen <> 0),
  primary key (account_id, version, lot_version),
  foreign key (account_id, lot_version) references fund_lots (account_id, version)
);
create trigger lot_uses_unchanged before update or delete on lot_uses for each row execute function refuse_change();
create trigger lot_uses_kept before truncate on lot_uses execute function refuse_change();
create trigger fund_lots_kept before delete on fund_lots for each row execute function refuse_change();
create trigger fund_lots_never_emptied before truncate on fund_lots execute function refuse_change();

-- Up to which posting an account's lots are followed.
create table lot_cursors (account_id bigint primary key references accounts, version bigint not null);

-- Follow an account from where its lots stand to its newest posting. The caller holds the account's lock.
create function follow_lots(p_account bigint) returns void
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  v_posting record;
  v_lot record;
  v_left bigint;
  v_part bigint;
  v_from bigint;
begin
  select c.version into v_from from lot_cursors c where c.account_id = p_account;
  for v_posting in
    select p.version, p.amount_fen, t.id as transfer_id, t.kind, t.source_id, t.booked_at
    from postings p join transfers t on t.id = p.transfer_id
    where p.account_id = p_account and p.version > coalesce(v_from, 0) order by p.version
  loop
    if v_posting.amount_fen < 0 then
      v_left := -v_posting.amount_fen;
      for v_lot in
        select l.version, l.remaining_fen from fund_lots l where l.account_id = p_account and l.remaining_fen > 0 order by l.version
      loop
        v_part := least(v_left, v_lot.remaining_fen);
        update fund_lots set remaining_fen = remaining_fen - v_part where account_id = p_account and version = v_lot.version;
        insert into lot_uses (account_id, version, lot_version, amount_fen) values (p_account, v_posting.version, v_lot.version, v_part);
        v_left := v_left - v_part;
        exit when v_left = 0;
      end loop;
      if v_left > 0 then
        raise exception 'account % spends % fen that no lot holds', p_account, v_left using errcode = 'check_violation', constraint = 'lot_sum';
      end if;
    elsif v_posting.kind = 'hold.released' then
      for v_lot in
        select u.lot_version as version, u.amount_fen
        from posting_keys k
        join postings r on r.transfer_id = k.transfer_id and r.account_id = p_account
        join lot_uses u on u.account_id = p_account and u.version = r.version
        where k.source_id = v_posting.source_id and k.kind = 'hold.reserve'
      loop
        update fund_lots set remaining_fen = remaining_fen + v_lot.amount_fen where account_id = p_account and version = v_lot.version;
        insert into lot_uses (account_id, version, lot_version, amount_fen)
        values (p_account, v_posting.version, v_lot.version, -v_lot.amount_fen);
      end loop;
    else
      insert into fund_lots (account_id, version, transfer_id, origin, amount_fen, remaining_fen, at)
      values (p_account, v_posting.version, v_posting.transfer_id, v_posting.kind, v_posting.amount_fen, v_posting.amount_fen, v_posting.booked_at);
    end if;
    v_from := v_posting.version;
  end loop;
  insert into lot_cursors (account_id, version) values (p_account, coalesce(v_from, 0))
  on conflict (account_id) do update set version = excluded.version;
end $$;

-- A batch of credits costs one look at its few debits, which are channels' and the platform's.
create function take_from_lots() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_account bigint;
begin
  for v_account in
    select a.id from (select distinct account_id from new_postings where amount_fen < 0) d join accounts a on a.id = d.account_id
    where a.kind in ('user_cash', 'user_bonus') order by a.id
  loop
    perform follow_lots(v_account);
  end loop;
  return null;
end $$;

-- After `postings_judged` by name: lots follow what the laws let through. Leaves carry the trigger as they carry the laws.
create trigger postings_take_from_lots after insert on postings referencing new table as new_postings
  for each statement execute function take_from_lots();
update partitioned_tables set leaf_triggers = leaf_triggers || array[
  'create trigger takes_from_lots after insert on %1$I referencing new table as new_postings for each statement execute function take_from_lots()']
where name = 'postings';
do $$
declare
  v_leaf regclass;
begin
  for v_leaf in select inhrelid::regclass from pg_inherits where inhparent = 'postings'::regclass loop
    execute format(
      'create trigger takes_from_lots after insert on %s referencing new table as new_postings for each statement execute function take_from_lots()',
      v_leaf);
  end loop;
end $$;

-- How much of an amount that would leave an account now was there at a moment. Money of that time is the oldest, so it leaves first.
create function unfrozen_part(p_account bigint, p_amount_fen bigint, p_at timestamptz) returns bigint
language sql stable security definer set search_path = public, pg_temp as $$
  select least(p_amount_fen, (
    coalesce((select sum(l.remaining_fen) from fund_lots l where l.account_id = p_account and l.remaining_fen > 0 and l.at <= p_at), 0)
    + coalesce((
      select sum(case
        when t.kind <> 'hold.released' then case when t.booked_at <= p_at then p.amount_fen end
        else (
          select sum(u.amount_fen)
          from posting_keys k
          join postings r on r.transfer_id = k.transfer_id and r.account_id = p_account
          join lot_uses u on u.account_id = p_account and u.version = r.version
          join fund_lots l on l.account_id = p_account and l.version = u.lot_version and l.at <= p_at
          where k.source_id = t.source_id and k.kind = 'hold.reserve'
        ) end)
      from postings p join transfers t on t.id = p.transfer_id
      where p.account_id = p_account and p.amount_fen > 0
        and p.version > coalesce((select c.version from lot_cursors c where c.account_id = p_account), 0)
    ), 0))::bigint)
$$;

-- Accounts whose lots do not add up: what is left in lots, with the credits not followed yet, is the balance; what is gone was used.
create view lots_wrong as
  select a.id as account_id, a.address
  from lot_cursors c join accounts a on a.id = c.account_id
  where a.balance_fen <> coalesce((select sum(l.remaining_fen) from fund_lots l where l.account_id = a.id), 0)
      + coalesce((select sum(p.amount_fen) from postings p where p.account_id = a.id and p.version > c.version), 0)
    or exists (
      select from fund_lots l where l.account_id = a.id and l.amount_fen - l.remaining_fen <> coalesce((
        select sum(u.amount_fen) from lot_uses u where u.account_id = l.account_id and u.lot_version = l.version), 0));

grant select on fund_lots, lot_uses, lot_cursors, lots_wrong to daozhang_app;
grant execute on function unfrozen_part(bigint, bigint, timestamptz) to daozhang_app;
