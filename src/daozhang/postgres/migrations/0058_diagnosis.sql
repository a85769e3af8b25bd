-- Why it did not work, as it was told: diagnoses with their findings, what the payer's phone showed, and messages to people.

-- Messages to people on this site: what happened is a kind with facts, and becomes words in the reader's language when it is read.
create table notices (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  kind text not null check (length(kind) between 1 and 64),
  facts jsonb not null,
  link text not null check (link = '' or link ~ '^/[^/]'),
  at timestamptz not null,
  read_at timestamptz
);
create index on notices (user_id, id);
create index notices_unread on notices (user_id) where read_at is null;
grant select, insert on notices to daozhang_app;
grant update (read_at) on notices to daozhang_app;

-- One thread per order, and one per user for recharges in general (no order). `code` is what people quote: seven characters of chance
-- and one that checks them. It looks again by itself as long as its cause may end, or somebody asked to be told.
create table diagnoses (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  order_id uuid,
  code text not null check (code ~ '^[0-9A-HJKMNP-TV-Z]{8}$'),
  opened_at timestamptz not null,
  next_look_at timestamptz,
  watch_since timestamptz,
  told_at timestamptz,
  unique (shop_id, code)
);
create unique index diagnoses_about on diagnoses (shop_id, user_id, order_id) nulls not distinct;
create index diagnoses_due on diagnoses (next_look_at) where next_look_at is not null;

-- What was found stays as it was found; what is found later is a row of its own.
create table findings (
  id uuid primary key,
  diagnosis_id uuid not null references diagnoses,
  number integer not null check (number > 0),
  mark bytea not null check (octet_length(mark) = 16),
  content jsonb not null,
  at timestamptz not null,
  unique (diagnosis_id, number)
);
create trigger findings_unchanged before update or delete on findings for each row execute function refuse_change();
create trigger findings_kept before truncate on findings execute function refuse_change();

-- What the payer says that the phone showed: picked from a list, or pasted (sealed). The user is its witness and nobody else.
create table phone_words (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint not null references users,
  order_id uuid not null,
  pick text not null check (length(pick) between 1 and 32),
  reason text check (length(reason) between 1 and 80),
  native text not null check (length(native) <= 64),
  text_sealed bytea check (octet_length(text_sealed) between 34 and 4096),
  at timestamptz not null
);
create index on phone_words (order_id);
create trigger phone_words_unchanged before update or delete on phone_words for each row execute function refuse_change();
create trigger phone_words_kept before truncate on phone_words execute function refuse_change();

-- What the diagnosis may know of other rooms, without anything sealed.
create view attempts_facts as
  select a.id as attempt_id, a.order_id, a.shop_id, a.user_id, a.channel_id, a.kind, a.method, a.state, a.amount_fen, a.native_code,
    a.reason, a.created_at, a.expires_at, a.moved_at, a.queries, a.next_query_at, a.paid_fen, a.channel_txn
  from attempts a;
create view anomalies_facts as
  select n.shop_id, n.order_id, n.attempt_id, n.kind, n.channel_id, n.amount_fen, n.at, n.resolved_at from anomalies n;
create view verdicts_facts as
  select d.id as decision_id, d.shop_id, d.user_id, d.order_id, d.stage, d.outcome, d.reason, d.verdicts, d.at from decisions d;
create view standings_facts as
  select m.id, m.user_id, m.from_standing, m.to_standing, m.why, m.until_at, m.at from standing_moves m;
create view exchanges_facts as
  select i.id, i.order_id, i.attempt_id, i.refund_id, i.channel_id, i.direction, i.operation, i.status, i.result, i.trace, i.at
  from interface_log i;
create view failures_facts as
  select o.id as order_id, o.shop_id, o.user_id, o.state, o.reason, o.reason_facts, o.amount_fen, o.channel_id, o.method, o.created_at,
    o.moved_at, o.purpose
  from orders o where o.state in ('refused', 'failed', 'expired', 'cancelled', 'abandoned');

grant select, insert on diagnoses, findings, phone_words to daozhang_app;
grant update (next_look_at, watch_since, told_at) on diagnoses to daozhang_app;
grant select on attempts_facts, anomalies_facts, verdicts_facts, standings_facts, exchanges_facts, failures_facts to daozhang_app;
