-- Data keys live here only wrapped by the master key, whose file is elsewhere: a stolen database alone is unreadable.

create table vault_keys (
    number integer primary key check (number > 0),
    purpose text not null check (purpose in ('data', 'blind')),
    active_from timestamptz not null,
    created_at timestamptz not null
);
create unique index vault_keys_one_blind on vault_keys (purpose) where purpose = 'blind';

create table vault_wraps (
    number integer not null references vault_keys,
    master bytea not null check (octet_length(master) = 8),
    wrapped bytea not null check (octet_length(wrapped) = 60),
    primary key (number, master)
);

create function vault_forget_master(gone bytea) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    dropped integer;
begin
    perform pg_advisory_xact_lock(7310001);
    if exists (
        select from vault_keys k
        where not exists (select from vault_wraps w where w.number = k.number and w.master <> gone)
    ) then
        raise exception 'a data key would be left without a wrap';
    end if;
    delete from vault_wraps where master = gone;
    get diagnostics dropped = row_count;
    return dropped;
end $$;

revoke all on function vault_forget_master(bytea) from public;
grant execute on function vault_forget_master(bytea) to daozhang_app;
grant select, insert on vault_keys, vault_wraps to daozhang_app;
