-- Two forms sent at one instant, with a key each, must not become two orders of one sum: a user's forms are judged one after the other.

-- Unlogged, as the buckets are: after a crash nobody has a turn, and nothing was under way any more.
create unlogged table recharge_turns (
  user_id bigint primary key references users (id),
  holder uuid not null,
  until timestamptz not null
);
grant select, insert on recharge_turns to daozhang_app;
grant update (holder, until) on recharge_turns to daozhang_app;
