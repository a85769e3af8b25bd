-- The ledger: accounts, transfers, postings and holds, with its laws judged by the database at the end of each statement.

-- What we owe is positive; what we own or are owed is negative. A floor is the least a balance may be; null = none.
create table chart (
  kind text primary key,
  pattern text not null,
  floor_fen bigint,
  meaning text not null
);
insert into chart (kind, pattern, floor_fen, meaning) values
  ('user_cash', '^user:[1-9][0-9]{0,18}:cash$', 0, 'what a user may spend or get back'),
  ('user_bonus', '^user:[1-9][0-9]{0,18}:bonus$', 0, 'given on top, never paid out'),
  ('user_reserved', '^user:[1-9][0-9]{0,18}:reserved$', 0, 'set aside for a purchase or a refund under way'),
  ('user_review', '^user:[1-9][0-9]{0,18}:review$', 0, 'received and being checked'),
  ('channel_receivable', '^channel:[1-9][0-9]{0,18}:receivable$', null, 'what a channel holds for us'),
  ('platform_suspense', '^platform:suspense$', 0, 'money whose owner or amount is not settled yet'),
  ('platform_sales', '^platform:sales$', null, 'sold goods'),
  ('platform_promotion', '^platform:promotion$', null, 'what campaigns cost'),
  ('platform_fees', '^platform:fees$', null, 'fees of channels');

create table accounts (
  id bigint generated always as identity primary key,
  shop_id bigint not null references shops,
  address text not null,
  kind text not null references chart,
  floor_fen bigint,
  balance_fen bigint not null default 0,
  version bigint not null default 0,
  unique (shop_id, address),
  constraint account_floor check (balance_fen >= floor_fen)
) with (fillfactor = 60);

create table transfers (
  id uuid primary key,
  shop_id bigint not null,
  kind text not null,
  source_id uuid not null,
  line_count smallint not null check (line_count between 2 and 64),
  happened_at timestamptz not null,
  booked_at timestamptz not null,
  actor text not null,
  reason text not null
) partition by range (id);

create table postings (
  transfer_id uuid not null,
  line smallint not null check (line >= 1),
  account_id bigint not null,
  amount_fen bigint not null check (amount_fen <> 0),
  balance_after_fen bigint not null,
  version bigint not null,
  primary key (transfer_id, line)
) partition by range (transfer_id);
create index on postings (account_id, version);

-- One fact is booked once: the pair that a transfer was made for.
create table posting_keys (
  source_id uuid not null,
  kind text not null,
  transfer_id uuid not null,
  primary key (source_id, kind)
);

create table holds (
  id uuid primary key,
  shop_id bigint not null references shops,
  account_id bigint not null references accounts,
  reserved_account_id bigint not null references accounts,
  amount_fen bigint not null check (amount_fen > 0),
  state text not null default 'reserved' check (state in ('reserved', 'captured', 'released')),
  reserved_at timestamptz not null,
  ended_at timestamptz,
  check ((state = 'reserved') = (ended_at is null))
);

-- Law 1: the lines written together for a transfer sum to zero and are all its lines. The transfer states how many it has and the
-- lines are numbered from one under a primary key, so none can be added later.
-- Law 2: a balance moves by its postings and by nothing else. This trigger is what moves it: each account goes on from the balance
-- and version it has, one posting after the other, never below its floor; a posting that does not follow is refused.
create function judge_postings() returns trigger
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  v_culprit text;
  v_accounts bigint;
  v_moved bigint;
begin
  select w.transfer_id::text into v_culprit
  from (select transfer_id, sum(amount_fen) as total, count(*) as lines, max(line) as last from new_postings group by transfer_id) w
  left join transfers t on t.id = w.transfer_id
  where w.total <> 0 or w.last <> w.lines or t.line_count is distinct from w.lines
  limit 1;
  if found then
    raise exception 'transfer % is not balanced or not whole', v_culprit using errcode = 'check_violation', constraint = 'transfer_balance';
  end if;
  with lines as (
    select account_id, version, amount_fen, balance_after_fen,
      lag(balance_after_fen) over each_account as before_fen, lag(version) over each_account as before
    from new_postings window each_account as (partition by account_id order by version)
  ), steps as (
    select account_id, min(version) - 1 as from_version, max(version) as to_version,
      min(balance_after_fen - amount_fen) filter (where before is null) as from_fen, min(balance_after_fen) as lowest_fen,
      sum(amount_fen)::bigint as moved_fen,
      bool_and(before is null or (version = before + 1 and balance_after_fen = before_fen + amount_fen)) as follow
    from lines group by account_id
  ), moved as (
    update accounts a set balance_fen = a.balance_fen + s.moved_fen, version = s.to_version
    from steps s
    where a.id = s.account_id and a.version = s.from_version and a.balance_fen = s.from_fen and s.follow
      and (a.floor_fen is null or s.lowest_fen >= a.floor_fen)
    returning a.id
  )
  select (select count(*) from steps), (select count(*) from moved) into v_accounts, v_moved;
  if v_moved <> v_accounts then
    raise exception 'a posting takes its account below its floor or does not follow its balance'
      using errcode = 'check_violation', constraint = 'account_floor';
  end if;
  return null;
end $$;

-- Law 3: a transfer without postings is refused in the statement that writes it.
create function judge_transfers() returns trigger
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
  return null;
end $$;

-- Law 2, the other side: nothing else changes an account.
create function judge_accounts() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if pg_trigger_depth() < 2 then
    raise exception 'an account moves by its postings only' using errcode = 'check_violation', constraint = 'account_moves';
  end if;
  return null;
end $$;

create function judge_new_account() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if new.balance_fen <> 0 or new.version <> 0 then
    raise exception 'account % begins with money', new.address using errcode = 'check_violation', constraint = 'account_moves';
  end if;
  select c.floor_fen into new.floor_fen from chart c where c.kind = new.kind and new.address ~ c.pattern;
  if not found then
    raise exception 'account % is not in the chart', new.address using errcode = 'check_violation', constraint = 'account_chart';
  end if;
  return new;
end $$;

create trigger accounts_begin before insert on accounts for each row execute function judge_new_account();
create trigger accounts_judged before update on accounts for each statement execute function judge_accounts();
create trigger accounts_kept before delete on accounts for each row execute function refuse_change();
create trigger accounts_never_emptied before truncate on accounts execute function refuse_change();
create trigger posting_keys_unchanged before update or delete on posting_keys for each row execute function refuse_change();
create trigger posting_keys_kept before truncate on posting_keys execute function refuse_change();
create trigger transfers_judged after insert on transfers referencing new table as new_transfers
  for each statement execute function judge_transfers();
create trigger postings_judged after insert on postings referencing new table as new_postings
  for each statement execute function judge_postings();

-- A parent's statement triggers do not fire for a statement on a leaf, so each leaf carries its own.
select partition_by_month('transfers', true, array[
  'create trigger judged after insert on %1$I referencing new table as new_transfers for each statement execute function judge_transfers()']);
select partition_by_month('postings', true, array[
  'create trigger judged after insert on %1$I referencing new table as new_postings for each statement execute function judge_postings()'],
  'transfer_id');

-- Open what is missing among addresses and answer their ids. An address outside the chart is refused.
create function open_accounts(p_shop bigint, p_addresses text[]) returns table (address text, id bigint)
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
begin
  insert into accounts (shop_id, address, kind)
  select p_shop, u.address, split_part(u.address, ':', 1) || '_' || split_part(u.address, ':', case when u.address ~ '^platform:' then 2 else 3 end)
  from (select distinct unnest(p_addresses) as address) u
  where (select a.id from accounts a where a.shop_id = p_shop and a.address = u.address) is null
  order by u.address
  on conflict do nothing;
  return query select u.address, (select a.id from accounts a where a.shop_id = p_shop and a.address = u.address)
    from unnest(p_addresses) as u (address);
end $$;

-- Book a batch of transfers in one statement, after taking the accounts' locks in the order of their ids. The postings' trigger
-- moves the balances. The lines of all transfers follow each other in l_accounts and l_amounts; p_counts says how many each has.
create function post_transfers(
  p_shop bigint, p_at timestamptz, p_actor text,
  p_ids uuid[], p_kinds text[], p_sources uuid[], p_happened timestamptz[], p_reasons text[], p_counts smallint[],
  l_accounts bigint[], l_amounts bigint[]
) returns integer
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  v_lines integer;
begin
  perform from (select distinct unnest(l_accounts) as id) u join accounts a on a.id = u.id order by a.id for no key update of a;
  insert into posting_keys (source_id, kind, transfer_id)
  select * from unnest(p_sources, p_kinds, p_ids);
  with starts as (
    select u.id, u.lines, sum(u.lines) over (order by u.place) - u.lines as before
    from unnest(p_ids, p_counts) with ordinality as u (id, lines, place)
  ), lines as (
    select s.id as transfer_id, n as line, l_accounts[s.before + n] as account_id, l_amounts[s.before + n] as amount_fen,
      s.before + n as place
    from starts s, generate_series(1, s.lines) as n
  ), running as (
    select l.transfer_id, l.line, l.account_id, l.amount_fen,
      (a.balance_fen + sum(l.amount_fen) over so_far)::bigint as balance_after_fen, a.version + row_number() over so_far as version
    from lines l join accounts a on a.id = l.account_id
    window so_far as (partition by l.account_id order by l.place rows unbounded preceding)
  ), booked as (
    insert into transfers (id, shop_id, kind, source_id, line_count, happened_at, booked_at, actor, reason)
    select u.id, p_shop, u.kind, u.source_id, u.line_count, u.happened_at, p_at, p_actor, u.reason
    from unnest(p_ids, p_kinds, p_sources, p_happened, p_reasons, p_counts) as u (id, kind, source_id, happened_at, reason, line_count)
  )
  insert into postings (transfer_id, line, account_id, amount_fen, balance_after_fen, version)
  select transfer_id, line, account_id, amount_fen, balance_after_fen, version from running;
  get diagnostics v_lines = row_count;
  return v_lines;
end $$;

-- A hold sets money aside: reserve, then capture or release, once. The money's own transfers are booked beside it.
create function begin_hold(p_shop bigint, p_id uuid, p_account bigint, p_reserved bigint, p_amount_fen bigint, p_at timestamptz) returns void
language sql security definer set search_path = public, pg_temp as $$
  insert into holds (id, shop_id, account_id, reserved_account_id, amount_fen, reserved_at)
  values (p_id, p_shop, p_account, p_reserved, p_amount_fen, p_at)
$$;

create function end_hold(p_id uuid, p_state text, p_at timestamptz) returns holds
language sql security definer set search_path = public, pg_temp as $$
  update holds set state = p_state, ended_at = p_at
  where id = p_id and state = 'reserved' and p_state in ('captured', 'released')
  returning holds.*
$$;

create view ledger_facts as
  select a.shop_id, a.id as account_id, a.address, a.balance_fen, a.version from accounts a;

grant execute on function open_accounts(bigint, text[]), begin_hold(bigint, uuid, bigint, bigint, bigint, timestamptz),
  end_hold(uuid, text, timestamptz),
  post_transfers(bigint, timestamptz, text, uuid[], text[], uuid[], timestamptz[], text[], smallint[], bigint[], bigint[])
  to daozhang_app;
grant select on chart, accounts, transfers, postings, posting_keys, holds, ledger_facts to daozhang_app;
