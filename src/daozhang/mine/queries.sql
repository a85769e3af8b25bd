-- name: payments
-- What a user's credited payments may still give back, the newest first: money goes back the way it came.
select f.order_id, a.kind, a.method, a.paid_fen, a.paid_fen - f.refunded_fen - paid_out_of(f.order_id) as left_fen,
  f.refunded_fen + paid_out_of(f.order_id) as returned_fen, a.moved_at as paid_at
from recharge_facts f
join attempts_facts a on a.order_id = f.order_id and a.state = 'paid'
where f.user_id = $1 and f.shop_id = $2 and f.state = 'credited' and a.paid_fen > f.refunded_fen
  and not exists (select from anomalies_facts n where n.attempt_id = a.attempt_id and n.kind = 'twice')
order by f.order_id desc limit $3;

-- name: ask_to_leave
insert into closings (id, shop_id, user_id, asked_at, next_look_at) values ($1, $2, $3, $4, $4)
on conflict (user_id) where ended is null do nothing returning id;

-- name: open_closing
select id, user_id, asked_at from closings where user_id = $1 and ended is null;

-- name: due_closings
select id, user_id, next_look_at from closings where next_look_at <= $1 order by next_look_at limit $2 for update skip locked;

-- name: postpone_closing
update closings set next_look_at = $2 where id = $1 and ended is null;

-- name: end_closing
update closings set ended = $2, ended_at = $3, next_look_at = null where id = $1 and ended is null returning user_id;

-- name: lock_user
select lock_users(array[$1::bigint]);

-- name: still_here
-- What still keeps an account: money in any of its places, orders and purchases under way.
with money as (
  select coalesce(sum(l.balance_fen) filter (where l.address = 'user:' || $1::bigint || ':cash'), 0)::bigint as cash_fen,
    coalesce(sum(l.balance_fen) filter (where l.address = 'user:' || $1::bigint || ':bonus'), 0)::bigint as bonus_fen,
    coalesce(sum(l.balance_fen) filter (where l.address in ('user:' || $1::bigint || ':reserved', 'user:' || $1::bigint || ':review')), 0)::bigint
      as waiting_fen
  from ledger_facts l where l.shop_id = $2 and l.address = any (array[
    'user:' || $1::bigint || ':cash', 'user:' || $1::bigint || ':bonus', 'user:' || $1::bigint || ':reserved',
    'user:' || $1::bigint || ':review'])
)
select m.cash_fen, m.bonus_fen, m.waiting_fen,
  (select count(*) from recharge_facts f where f.user_id = $1::bigint and f.shop_id = $2
    and f.state not in ('credited', 'refunded', 'refused', 'abandoned', 'failed', 'expired', 'cancelled'))::integer as orders,
  (select count(*) from purchases_facts p where p.user_id = $1::bigint and p.shop_id = $2
    and p.state in ('reserved', 'supplying'))::integer as purchases,
  (select i.standing from identity_facts i where i.user_id = $1::bigint and i.shop_id = $2 limit 1) as standing
from money m;

-- name: note_export
insert into exports (id, shop_id, user_id, session_id, sha256, at) values ($1, $2, $3, $4, $5, $6);

-- name: near_the_ceiling
-- Nobody is told again until thirty days have gone by, so the list that is looked at stays short.
select i.user_id from ledger_facts l
join identity_facts i on i.shop_id = l.shop_id and i.user_id = split_part(l.address, ':', 2)::bigint
where l.shop_id = $1 and l.address like 'user:%:cash' and l.balance_fen >= $2 and i.standing = 'active'
  and i.verification not in ('identity', 'face')
  and not exists (select from notices_facts n where n.user_id = i.user_id and n.kind = $4 and n.at > $3)
limit $5;

-- name: notice_choice
select by_sms, by_email, email_sealed from notice_choices where user_id = $1;

-- name: choose_notices
insert into notice_choices (user_id, shop_id, by_sms, by_email, changed_at) values ($1, $2, $3, false, $5)
on conflict (user_id) do update set by_sms = excluded.by_sms, by_email = $4, changed_at = excluded.changed_at;

-- name: keep_email
insert into notice_choices (user_id, shop_id, by_email, email_sealed, email_proved_at, changed_at) values ($1, $2, true, $3, $4, $4)
on conflict (user_id) do update set by_email = true, email_sealed = excluded.email_sealed, email_proved_at = excluded.email_proved_at,
  changed_at = excluded.changed_at;

-- name: forget_email
update notice_choices set by_email = false, email_sealed = null, email_proved_at = null, changed_at = $2 where user_id = $1;

-- name: due_sends
select s.id, s.user_id, s.kind, s.via, s.tries, u.locale from notice_sends s join user_desk_facts u on u.user_id = s.user_id
where s.next_at <= $1 order by s.next_at limit $2 for update of s skip locked;

-- name: postpone_send
update notice_sends set next_at = $2, tries = tries + 1 where id = $1;

-- name: end_send
update notice_sends set state = $2, next_at = null, ended_at = $3 where id = $1 and state = 'due';
