-- Announcements: what the shop tells everybody, from when until when. One is never edited: it is withdrawn, and another one written.

create table announcements (
  id uuid primary key,
  shop_id bigint not null references shops,
  kind text not null check (kind in ('news', 'change', 'warning')),
  zh_title text not null check (length(zh_title) between 1 and 60),
  en_title text not null check (length(en_title) between 1 and 120),
  zh text not null check (length(zh) between 1 and 2000),
  en text not null check (length(en) between 1 and 4000),
  begins_at timestamptz not null,
  ends_at timestamptz not null,
  author text not null check (length(author) between 1 and 64),
  written_at timestamptz not null,
  withdrawn_at timestamptz,
  check (begins_at < ends_at)
);
create index on announcements (shop_id, ends_at);

create function announcements_stand() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if old.withdrawn_at is not null or new.withdrawn_at is null
     or row(old.id, old.shop_id, old.kind, old.zh_title, old.en_title, old.zh, old.en, old.begins_at, old.ends_at, old.author, old.written_at)
     is distinct from
     row(new.id, new.shop_id, new.kind, new.zh_title, new.en_title, new.zh, new.en, new.begins_at, new.ends_at, new.author, new.written_at)
  then
    raise exception 'announcement % is only withdrawn', old.id using errcode = 'check_violation', constraint = 'announcements_stand';
  end if;
  return new;
end $$;
create trigger announcements_stand before update on announcements for each row execute function announcements_stand();
create trigger announcements_unchanged before delete on announcements for each row execute function refuse_change();
create trigger announcements_kept before truncate on announcements execute function refuse_change();

grant select, insert on announcements to daozhang_app;
grant update (withdrawn_at) on announcements to daozhang_app;
