-- A case is the human thread beside the machines: whose turn it is, until when, what was said and shown, and who decided with whom.

create table case_states (state text primary key, turn text not null check (turn in ('user', 'staff', 'nobody')), terminal boolean not null);
insert into case_states (state, turn, terminal) values
  ('need_user', 'user', false), ('need_staff', 'staff', false), ('second', 'staff', false), ('closed', 'nobody', true);
create table legal_case_moves (
  from_state text not null references case_states,
  move text not null,
  to_state text not null references case_states,
  primary key (from_state, move),
  unique (from_state, move, to_state)
);
insert into legal_case_moves (from_state, move, to_state) values
  ('need_user', 'answered', 'need_staff'), ('need_staff', 'answered', 'need_staff'), ('need_staff', 'asked', 'need_user'),
  ('need_staff', 'proposed', 'second'), ('second', 'confirmed', 'closed'), ('second', 'objected', 'need_staff'),
  ('second', 'answered', 'need_staff'), ('need_staff', 'decided', 'closed'), ('need_user', 'lapsed', 'closed'),
  ('need_user', 'withdrawn', 'closed'), ('need_staff', 'withdrawn', 'closed'),
  ('need_user', 'overtaken', 'closed'), ('need_staff', 'overtaken', 'closed'), ('second', 'overtaken', 'closed');

create table cases (
  id uuid primary key,
  shop_id bigint not null references shops,
  user_id bigint references users,
  kind text not null check (kind in ('hold', 'unfreeze', 'claim', 'complaint', 'verification')),
  about text not null check (length(about) between 1 and 80),
  state text not null references case_states,
  version integer not null,
  question text not null check (length(question) between 1 and 64),
  facts jsonb not null,
  verdict text check (verdict in ('approved', 'rejected')),
  verdict_why text check (length(verdict_why) between 1 and 400),
  proposed_by text check (length(proposed_by) between 1 and 64),
  proposed_at timestamptz,
  opened_at timestamptz not null,
  moved_at timestamptz not null,
  answer_by timestamptz not null,
  deadline_at timestamptz,
  next_look_at timestamptz,
  escalated_at timestamptz,
  closed_at timestamptz,
  check ((state = 'closed') = (closed_at is not null)),
  check (state <> 'second' or (verdict is not null and proposed_by is not null))
);
-- One open case about one thing: what comes later joins it.
create unique index cases_open on cases (shop_id, kind, about) where state <> 'closed';
create index on cases (user_id, id);
create index cases_queue on cases (shop_id, deadline_at) where state in ('need_staff', 'second');
create index cases_due on cases (next_look_at) where next_look_at is not null;

create table case_moves (
  case_id uuid not null references cases,
  version integer not null,
  from_state text not null,
  move text not null,
  to_state text not null,
  actor text not null check (length(actor) between 1 and 64),
  verdict text,
  why text not null check (length(why) <= 400),
  at timestamptz not null,
  primary key (case_id, version),
  foreign key (from_state, move, to_state) references legal_case_moves (from_state, move, to_state)
);
create trigger case_moves_unchanged before update or delete on case_moves for each row execute function refuse_change();
create trigger case_moves_kept before truncate on case_moves execute function refuse_change();

create table case_messages (
  id uuid primary key,
  case_id uuid not null references cases,
  actor text not null check (length(actor) between 1 and 64),
  text_sealed bytea not null check (octet_length(text_sealed) between 34 and 16384),
  at timestamptz not null
);
create index on case_messages (case_id, id);
create trigger case_messages_unchanged before update or delete on case_messages for each row execute function refuse_change();
create trigger case_messages_kept before truncate on case_messages execute function refuse_change();

-- Proof: a picture, made anew without its metadata, sealed; gone some days after the decision while its hash stays.
create table case_evidence (
  id uuid primary key,
  case_id uuid not null references cases,
  actor text not null check (length(actor) between 1 and 64),
  media_type text not null check (media_type in ('image/jpeg')),
  sha256 bytea not null check (octet_length(sha256) = 32),
  width integer not null check (width between 1 and 20000),
  height integer not null check (height between 1 and 20000),
  content_sealed bytea check (octet_length(content_sealed) between 34 and 8388608),
  at timestamptz not null,
  gone_at timestamptz,
  check ((content_sealed is null) = (gone_at is not null))
);
create index on case_evidence (case_id, id);
alter table case_evidence alter content_sealed set storage external;

create function open_case(
  p_id uuid, p_shop bigint, p_user bigint, p_kind text, p_about text, p_state text, p_question text, p_facts jsonb, p_at timestamptz,
  p_answer_by timestamptz, p_deadline timestamptz, p_look timestamptz
) returns uuid
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_id uuid;
begin
  insert into cases (id, shop_id, user_id, kind, about, state, version, question, facts, opened_at, moved_at, answer_by, deadline_at,
    next_look_at)
  values (p_id, p_shop, p_user, p_kind, p_about, p_state, 0, p_question, p_facts, p_at, p_at, p_answer_by, p_deadline, p_look)
  on conflict (shop_id, kind, about) where state <> 'closed' do nothing
  returning id into v_id;
  if v_id is null then
    select c.id into v_id from cases c where c.shop_id = p_shop and c.kind = p_kind and c.about = p_about and c.state <> 'closed';
  end if;
  return v_id;
end $$;

create function lock_case(p_id uuid) returns setof cases
language sql security definer set search_path = public, pg_temp as $$
  select * from cases where id = p_id for no key update
$$;

-- Move a case from the state and version that were seen. A second person confirms or objects; the same one never confirms its own
-- proposal, unless p_alone says that the shop has one person and the proposal has waited a day.
create function move_case(
  p_id uuid, p_version integer, p_from text, p_move text, p_to text, p_actor text, p_verdict text, p_why text, p_at timestamptz,
  p_deadline timestamptz, p_look timestamptz, p_question text, p_alone boolean
) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_case cases;
begin
  select * into v_case from cases where id = p_id for no key update;
  if not found or v_case.version <> p_version or v_case.state <> p_from then
    return false;
  end if;
  if p_move = 'confirmed' and v_case.proposed_by = p_actor
     and not (p_alone and v_case.proposed_at <= p_at - interval '24 hours') then
    raise exception 'case % needs a second person', p_id using errcode = 'check_violation', constraint = 'four_eyes';
  end if;
  update cases set state = p_to, version = version + 1, moved_at = p_at, deadline_at = p_deadline, next_look_at = p_look,
    question = coalesce(p_question, question),
    verdict = case when p_move in ('proposed', 'decided', 'lapsed') then p_verdict when p_move in ('objected', 'answered') then null else verdict end,
    verdict_why = case when p_move in ('proposed', 'decided', 'lapsed') then nullif(p_why, '') when p_move in ('objected', 'answered') then null
      else verdict_why end,
    proposed_by = case when p_move = 'proposed' then p_actor when p_move in ('objected', 'answered') then null else proposed_by end,
    proposed_at = case when p_move = 'proposed' then p_at when p_move in ('objected', 'answered') then null else proposed_at end,
    escalated_at = case when p_to in ('need_staff', 'second') then escalated_at end,
    closed_at = case when p_to = 'closed' then p_at end
  where id = p_id;
  insert into case_moves (case_id, version, from_state, move, to_state, actor, verdict, why, at)
  values (p_id, p_version + 1, p_from, p_move, p_to, p_actor, p_verdict, p_why, p_at);
  return true;
end $$;

create function escalate_case(p_id uuid, p_at timestamptz, p_look timestamptz) returns boolean
language sql security definer set search_path = public, pg_temp as $$
  update cases set escalated_at = p_at, next_look_at = p_look
  where id = p_id and state in ('need_staff', 'second') and escalated_at is null returning true
$$;

create function forget_evidence(p_before timestamptz, p_at timestamptz) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v_gone integer;
begin
  update case_evidence e set content_sealed = null, gone_at = p_at
  from cases c where c.id = e.case_id and c.closed_at < p_before and e.content_sealed is not null;
  get diagnostics v_gone = row_count;
  return v_gone;
end $$;

create view cases_facts as
  select c.shop_id, c.user_id, c.id as case_id, c.kind, c.about, c.state, s.turn, c.verdict, c.opened_at, c.deadline_at, c.answer_by, c.closed_at
  from cases c join case_states s on s.state = c.state;

grant select on case_states, legal_case_moves, cases, case_moves, case_messages, case_evidence, cases_facts to daozhang_app;
grant insert on case_messages, case_evidence to daozhang_app;
grant update (next_look_at) on cases to daozhang_app;
grant execute on function
  open_case(uuid, bigint, bigint, text, text, text, text, jsonb, timestamptz, timestamptz, timestamptz, timestamptz), lock_case(uuid),
  move_case(uuid, integer, text, text, text, text, text, text, timestamptz, timestamptz, timestamptz, text, boolean),
  escalate_case(uuid, timestamptz, timestamptz), forget_evidence(timestamptz, timestamptz) to daozhang_app;
