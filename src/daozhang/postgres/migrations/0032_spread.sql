-- A column of a batch that says one thing throughout travels as one entry and is made whole here: half of a settlement's columns are such.
create function spread(p_column anyarray, p_count integer) returns anyarray
language sql immutable parallel safe as $$
  select case when cardinality(p_column) = 1 and p_count > 1 then array_fill(p_column[1], array[p_count]) else p_column end
$$;

grant execute on function spread(anyarray, integer) to daozhang_app;
