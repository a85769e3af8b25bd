-- A payment that its channel tells nothing about any more is ended by people: who asked, why, and that two agree where money may have come.

create table hand_endings (
  id uuid primary key,
  shop_id bigint not null references shops,
  order_id uuid not null,
  charged boolean not null,
  why text not null check (length(why) between 1 and 200),
  asked_by text not null check (length(asked_by) between 1 and 64),
  asked_at timestamptz not null,
  done_by text check (length(done_by) between 1 and 64),
  done_at timestamptz,
  check ((done_by is null) = (done_at is null)),
  constraint hand_endings_need_two check (done_by is null or not charged or done_by <> asked_by)
);
create unique index hand_endings_asked on hand_endings (order_id) where done_at is null;
create trigger hand_endings_kept before delete on hand_endings for each row execute function refuse_change();
create trigger hand_endings_never_emptied before truncate on hand_endings execute function refuse_change();

create view hand_endings_facts as
  select e.id as ending_id, e.shop_id, e.order_id, e.charged, e.why, e.asked_by, e.asked_at, e.done_by, e.done_at from hand_endings e;

grant select, insert, update (charged, done_by, done_at) on hand_endings to daozhang_app;
grant select on hand_endings_facts to daozhang_app;
