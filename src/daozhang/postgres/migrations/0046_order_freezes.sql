-- Money that an authority ordered to be kept: who, by which order, until when, and that lifting it early takes two people.

create table order_freezes (
  id uuid primary key,
  shop_id bigint not null references shops,
  order_id uuid not null,
  authority text not null check (length(authority) between 2 and 80),
  reference text not null check (length(reference) between 2 and 80),
  until_at timestamptz,
  review_at timestamptz not null,
  held_for text not null default '',
  ordered_by text not null check (length(ordered_by) between 1 and 64),
  ordered_at timestamptz not null,
  lift_asked_by text check (length(lift_asked_by) between 1 and 64),
  lift_asked_at timestamptz,
  lift_why text check (length(lift_why) between 1 and 200),
  lifted_by text check (length(lifted_by) between 1 and 64),
  lifted_at timestamptz,
  next_look_at timestamptz,
  check ((lifted_by is null) = (lifted_at is null)),
  check ((lift_asked_by is null) = (lift_asked_at is null) and (lift_asked_by is null) = (lift_why is null)),
  constraint freezes_need_two check (lifted_by is null or coalesce(lifted_by = 'program' and until_at <= lifted_at, false)
    or coalesce(lifted_by <> lift_asked_by and lifted_by <> 'program', false))
);
create unique index order_freezes_in_force on order_freezes (order_id) where lifted_at is null;
create index order_freezes_due on order_freezes (next_look_at) where next_look_at is not null;
create trigger order_freezes_kept before delete on order_freezes for each row execute function refuse_change();
create trigger order_freezes_never_emptied before truncate on order_freezes execute function refuse_change();

create view order_freezes_facts as
  select f.id as freeze_id, f.shop_id, f.order_id, f.authority, f.reference, f.until_at, f.review_at, f.ordered_by, f.ordered_at,
    f.lift_asked_by, f.lift_asked_at, f.lift_why, f.lifted_by, f.lifted_at
  from order_freezes f;

grant select, insert, update (authority, reference, until_at, review_at, lift_asked_by, lift_asked_at, lift_why, lifted_by, lifted_at,
  next_look_at) on order_freezes to daozhang_app;
grant select on order_freezes_facts to daozhang_app;
