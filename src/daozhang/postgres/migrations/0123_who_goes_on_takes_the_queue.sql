-- An order that goes on after a question, or is tried again, waits for whoever of its browser or payer is being judged, like one that is placed.

-- The locks of `begin_orders`, for one wish: a statement of its own, before anything is locked or read.
create function wait_for_origin(p_device uuid, p_payer bytea) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform pg_advisory_xact_lock(n.number)
  from (
    select hashtextextended(encode(k.key, 'hex'), 0) as number
    from (
      select '\x64'::bytea || d.token_hash from devices d where d.id = p_device
      union all
      select '\x70'::bytea || p_payer where p_payer is not null
    ) k (key)
    order by number offset 0
  ) n;
end $$;
grant execute on function wait_for_origin(uuid, bytea) to daozhang_app;
