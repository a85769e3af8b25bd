-- Orders and attempts that begin are rows of a view, not the arguments of a function: a call of thirty columns was handed on twice.

-- What an order is when it begins. State, version and currency are not of the view, so whoever may insert here can begin an order and
-- write it in no other state; moves go by the functions that know the legal ones. Rows come by the table as a whole: its months need no
-- defaults of their own, and are not locked for them.
alter table only orders alter column state set default 'created', alter column version set default 0, alter column currency set default 'CNY';
create view orders_begun as
  select o.id, o.shop_id, o.user_id, o.purpose, o.amount_fen, o.channel_id, o.method, o.page_version, o.client_ip, o.locale, o.created_at,
    o.expires_at, o.moved_at
  from orders o;
grant insert on orders_begun to daozhang_app;

alter table only attempts alter column state set default 'prepared', alter column version set default 0, alter column currency set default 'CNY';
create view attempts_begun as
  select a.id, a.order_id, a.shop_id, a.user_id, a.channel_id, a.kind, a.method, a.merchant, a.app, a.amount_fen, a.client_ip, a.payer_openid,
    a.created_at, a.expires_at, a.moved_at, a.next_query_at
  from attempts a;
grant insert on attempts_begun to daozhang_app;

-- Where users were when they ordered; a log-in there has more to write, and is not written by this.
create view place_days_ordered as select p.user_id, p.day, p.province, p.at from place_days p;
grant insert on place_days_ordered to daozhang_app;

drop function write_orders(bigint, timestamptz, uuid[], bigint[], text[], bytea[], bigint[], bigint[], text[], text[], text[], text[],
  timestamptz, text[], timestamptz, bytea[], bytea[], text[]);
drop function keep_orders(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], json[], json[], bytea[], bytea[],
  text[], bytea[], integer[], text[], bigint[], timestamptz, uuid[], text[], uuid[], bigint[], text[], text[], text[], text[], text[], bytea[],
  timestamptz, timestamptz);

-- Whatever was not written before is (migration 0135). True when others have committed all of it: then it is there for good, and whoever
-- asked need not ask again. What this transaction wrote may still be undone. (Not from within a savepoint, which has a number of its own.)
drop function keep_texts(bytea[], text[]);
create function keep_texts(p_hashes bytea[], p_texts text[]) returns boolean
language plpgsql set search_path = public, pg_temp as $$
begin
  if exists (select from unnest(p_hashes) as w (hash) where not exists (select from verdict_texts t where t.hash = w.hash)) then
    insert into verdict_texts (hash, verdicts)
    select w.hash, w.content::json from unnest(p_hashes, p_texts) as w (hash, content) order by w.hash
    on conflict do nothing;
    return false;
  end if;
  return not exists (select from verdict_texts t where t.hash = any (p_hashes) and t.xmin = pg_current_xact_id_if_assigned()::xid);
end $$;
grant execute on function keep_texts(bytea[], text[]) to daozhang_app;

drop function keep_paid(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], json[], json[], bytea[], bytea[], text[],
  bytea[], integer[], bytea[], bigint[]);

-- Decisions about payments, and who paid (migration 0120); the texts that they name are there already.
create function keep_paid(
  p_shop bigint, p_at timestamptz, p_book integer, p_ids uuid[], p_orders uuid[], p_users bigint[], p_outcomes text[], p_reasons text[],
  p_facts json[], p_verdicts json[], p_said bytea[], p_hashes bytea[], p_latencies integer[], p_payers bytea[], p_amounts bigint[]
) returns void
language plpgsql set search_path = public, pg_temp as $$
begin
  insert into decisions (id, shop_id, user_id, order_id, stage, outcome, reason, book_version, facts, verdicts, verdicts_hash, hash,
    latency_us, at)
  select p_ids[i], p_shop, p_users[i], p_orders[i], 'paid', p_outcomes[i], p_reasons[i], p_book, p_facts[i], p_verdicts[i], p_said[i],
    p_hashes[i], p_latencies[i], p_at
  from generate_series(1, cardinality(p_ids)) as i;
  begin
    insert into payer_marks (order_id, shop_id, payer, user_id, amount_fen, at)
    select p_orders[i], p_shop, p_payers[i], p_users[i], p_amounts[i], p_at
    from generate_series(1, cardinality(p_ids)) as i where p_payers[i] is not null;
  exception when unique_violation then
    insert into payer_marks (order_id, shop_id, payer, user_id, amount_fen, at)
    select p_orders[i], p_shop, p_payers[i], p_users[i], p_amounts[i], p_at
    from generate_series(1, cardinality(p_ids)) as i where p_payers[i] is not null
    on conflict do nothing;
  end;
end $$;
grant execute on function keep_paid(bigint, timestamptz, integer, uuid[], uuid[], bigint[], text[], text[], json[], json[], bytea[], bytea[],
  integer[], bytea[], bigint[]) to daozhang_app;
