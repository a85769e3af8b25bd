-- The service agreement of a shop, version by version, and who agreed to which. Nothing of it is ever changed: what was shown is what was agreed to.

create table agreements (
  shop_id bigint not null references shops,
  version integer not null check (version >= 1),
  zh text not null check (length(zh) between 1 and 100000),
  en text not null check (length(en) between 1 and 100000),
  sha256 bytea not null check (octet_length(sha256) = 32),
  from_at timestamptz not null,
  author text not null check (length(author) between 1 and 64),
  published_at timestamptz not null,
  primary key (shop_id, version)
);
create trigger agreements_unchanged before update or delete on agreements for each row execute function refuse_change();
create trigger agreements_kept before truncate on agreements execute function refuse_change();

-- `order_id` is the order with which it was ticked.
create table agreement_consents (
  shop_id bigint not null,
  user_id bigint not null references users,
  version integer not null,
  order_id uuid not null,
  at timestamptz not null,
  primary key (user_id, shop_id, version),
  foreign key (shop_id, version) references agreements (shop_id, version)
);
create trigger agreement_consents_unchanged before update or delete on agreement_consents for each row execute function refuse_change();
create trigger agreement_consents_kept before truncate on agreement_consents execute function refuse_change();

-- The version in force: the newest whose day has come; 0 when none has.
create function present_agreement(p_shop bigint) returns integer
language plpgsql stable set search_path = public, pg_temp as $$
begin
  return coalesce((select max(a.version) from agreements a where a.shop_id = p_shop and a.from_at <= clock_now()), 0);
end $$;

create view agreement_facts as
  select c.shop_id, c.user_id, c.version, c.order_id, c.at from agreement_consents c;

grant select on agreements, agreement_consents, agreement_facts to daozhang_app;
grant insert on agreements, agreement_consents to daozhang_app;
grant execute on function present_agreement(bigint) to daozhang_app;
