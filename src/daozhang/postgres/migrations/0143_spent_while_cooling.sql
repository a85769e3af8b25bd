-- What left a balance while an account cools down after an unbinding is counted together: many purchases just below the bound are a large one.
create function spent_since(p_shop bigint, p_user bigint, p_at timestamptz) returns bigint
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce(sum(p.balance_fen), 0)::bigint from purchases p
  where p.user_id = p_user and p.shop_id = p_shop and p.created_at >= p_at and p.state <> 'released'
$$;
revoke execute on function spent_since(bigint, bigint, timestamptz) from public;
grant execute on function spent_since(bigint, bigint, timestamptz) to daozhang_app;
