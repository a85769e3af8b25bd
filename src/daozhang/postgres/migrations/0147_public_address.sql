-- A refund that is begun in a shell tells its channel where the program that serves is reached, whatever the shell knows of it.
create table public_address (
  id boolean primary key default true check (id),
  url text not null check (length(url) between 1 and 2000),
  told_at timestamptz not null
);

create function tell_public_address(p_url text) returns void
language sql security definer set search_path = public, pg_temp as $$
  insert into public_address (url, told_at) values (p_url, clock_now())
  on conflict (id) do update set url = excluded.url, told_at = excluded.told_at where public_address.url <> excluded.url
$$;
revoke execute on function tell_public_address(text) from public;
grant select on public_address to daozhang_app;
grant execute on function tell_public_address(text) to daozhang_app;
