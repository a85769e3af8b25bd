-- Policy: the versions of the book of parameters, and every decision with the facts it rests on, so that it can be replayed.

-- Kept as text: the hash is over these very bytes.
create table policy_book (
  shop_id bigint not null references shops,
  version integer not null check (version > 0),
  parameters text not null check (jsonb_typeof(parameters::jsonb) = 'object'),
  sha256 bytea not null check (length(sha256) = 32),
  author text not null check (length(author) between 1 and 64),
  note text not null,
  created_at timestamptz not null,
  primary key (shop_id, version)
);
create trigger policy_book_unchanged before update or delete on policy_book for each row execute function refuse_change();
create trigger policy_book_kept before truncate on policy_book execute function refuse_change();

-- A decision about no order (a pre-flight) has no order_id. There is no foreign key: it is written with the order in one commit.
create table decisions (
  id uuid primary key,
  shop_id bigint not null,
  user_id bigint not null,
  order_id uuid,
  stage text not null check (stage in ('asked', 'place', 'paid')),
  outcome text not null check (outcome in ('admit', 'monitor', 'challenge', 'hold', 'refuse')),
  reason text check ((reason is null) = (outcome = 'admit')),
  book_version integer not null,
  facts json not null,
  verdicts json not null,
  hash bytea not null check (length(hash) = 32),
  latency_us integer not null,
  at timestamptz not null
) partition by range (id);
create index on decisions (order_id);
select partition_by_month('decisions', true);

create view policy_facts as
  select shop_id, user_id, order_id, stage, outcome, reason, book_version, at from decisions;

grant select, insert on policy_book, decisions to daozhang_app;
grant select on policy_facts to daozhang_app;
