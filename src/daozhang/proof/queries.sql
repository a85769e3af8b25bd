-- name: one_snapshot
set transaction isolation level repeatable read, read only;

-- name: counts
select (select count(*) from transfers) as transfers, (select count(*) from postings) as postings,
  (select count(*) from accounts) as accounts, (select count(*) from orders) as orders,
  (select count(*) from orders where state = 'credited') as credited, (select count(*) from attempts) as attempts,
  (select count(*) from refunds) as refunds, (select count(*) from notifications) as notifications,
  (select count(*) from notifications where state = 'stored') as stored_messages,
  (select count(*) from anomalies where resolved_at is null) as open_anomalies,
  (select coalesce(sum(balance_fen), 0)::bigint from accounts where kind in ('user_cash', 'user_reserved')) as owed_to_users_fen,
  (select coalesce(sum(balance_fen), 0)::bigint from accounts where kind = 'platform_suspense') as suspense_fen;

-- name: transfers_balance
with sums as (
  select transfer_id, sum(amount_fen) as total, count(*) as lines, max(line) as last from postings group by transfer_id
), wrong as (
  select coalesce(t.id, s.transfer_id)::text as culprit
  from transfers t full join sums s on s.transfer_id = t.id
  where t.id is null or s.transfer_id is null or s.total <> 0 or s.lines <> t.line_count or s.last <> t.line_count
)
select (select count(*) from transfers) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: balances_are_postings
with sums as (
  select account_id, sum(amount_fen) as total, count(*) as lines from postings group by account_id
), wrong as (
  select coalesce(a.address, 'account ' || s.account_id) as culprit
  from accounts a full join sums s on s.account_id = a.id
  where a.id is null or a.balance_fen <> coalesce(s.total, 0) or a.version <> coalesce(s.lines, 0)
)
select (select count(*) from accounts) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: running_balances
with lines as (
  select transfer_id, line, account_id, amount_fen, balance_after_fen, version,
    lag(balance_after_fen, 1, 0::bigint) over w as before_fen, lag(version, 1, 0::bigint) over w as before
  from postings window w as (partition by account_id order by version)
), wrong as (
  select transfer_id || ':' || line as culprit from lines
  where balance_after_fen <> before_fen + amount_fen or version <> before + 1
)
select (select count(*) from postings) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: floors
with wrong as (
  select a.address as culprit from accounts a where a.balance_fen < a.floor_fen
  union
  select a.address from postings p join accounts a on a.id = p.account_id where p.balance_after_fen < a.floor_fen
  union
  select a.address from accounts a left join chart c on c.kind = a.kind and a.address ~ c.pattern
  where c.kind is null or c.floor_fen is distinct from a.floor_fen
)
select (select count(*) from accounts) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: books_sum_to_zero
with wrong as (
  select 'shop ' || shop_id as culprit from accounts group by shop_id having sum(balance_fen) <> 0
)
select (select count(distinct shop_id) from accounts) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: facts_booked_once
with wrong as (
  select coalesce(t.id, k.transfer_id)::text as culprit
  from transfers t full join posting_keys k on k.transfer_id = t.id
  where t.id is null or k.transfer_id is null or k.kind <> t.kind or k.source_id <> t.source_id
)
select (select count(*) from posting_keys) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: orders_credited_once
with booked as (
  select t.source_id as order_id, t.kind, p.amount_fen, a.address
  from transfers t join postings p on p.transfer_id = t.id join accounts a on a.id = p.account_id
  where t.kind in ('recharge', 'release') and p.amount_fen > 0
), credits as (
  select order_id, count(*) as times, sum(amount_fen) as total, min(address) as address
  from booked where address like 'user:%:cash' group by order_id
), wrong as (
  select coalesce(o.id, c.order_id)::text as culprit
  from (select * from orders where state = 'credited') o full join credits c on c.order_id = o.id
  where o.id is null or c.order_id is null or c.times <> 1 or c.address <> 'user:' || o.user_id || ':cash'
    or (c.total <> o.amount_fen and not exists (
      select from anomalies n where n.order_id = o.id and n.kind = 'amount' and n.attempt_id is not null
        and not exists (select from anomalies t where t.attempt_id = n.attempt_id and t.kind = 'twice')))
)
select (select count(*) from orders where state = 'credited') as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: payments_booked
with wrong as (
  select coalesce(a.id::text, f.channel_txn) as culprit
  from (select * from attempts where state = 'paid') a
  full join (
    select channel_txn, attempt_id from fact_keys where attempt_id is not null
    union all
    select n.facts ->> 'channel_txn', substr(n.resolution, 8)::uuid from anomalies n
    join fact_keys k on k.channel_id = n.channel_id and k.channel_txn = n.facts ->> 'channel_txn' and k.attempt_id is null
    where n.kind = 'unknown_order' and n.resolution like 'found: %'
  ) f on f.attempt_id = a.id and f.channel_txn = a.channel_txn
  left join attempts b on b.id = f.attempt_id
  where f.channel_txn is null or (a.id is null and b.state is distinct from 'paid')
)
select (select count(*) from fact_keys) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: transfers_known
with lines as (
  select t.id, t.kind, bool_or(a.shop_id <> t.shop_id) as foreign_account,
    array_agg(distinct a.kind) filter (where p.amount_fen < 0) as sources,
    array_agg(distinct a.kind) filter (where p.amount_fen > 0) as targets
  from transfers t join postings p on p.transfer_id = t.id join accounts a on a.id = p.account_id group by t.id, t.kind
), wrong as (
  select l.id::text as culprit from lines l
  where l.foreign_account or not exists (
    select from transfer_kinds k where k.kind = l.kind and array[k.from_kind] = l.sources and array[k.to_kind] = l.targets
  )
)
select (select count(*) from transfers) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: channels_accounted
with received as (
  select t.id, t.reason as channel_txn, split_part(a.address, ':', 2)::bigint as channel_id, -p.amount_fen as amount_fen
  from transfers t join postings p on p.transfer_id = t.id join accounts a on a.id = p.account_id
  where a.kind = 'channel_receivable' and p.amount_fen < 0
), paid as (
  select f.channel_id, f.channel_txn, a.paid_fen
  from fact_keys f left join attempts a on a.id = f.attempt_id and a.channel_txn = f.channel_txn
), wrong as (
  select coalesce(p.channel_txn, r.id::text) as culprit
  from received r full join paid p on p.channel_id = r.channel_id and p.channel_txn = r.channel_txn
  where r.id is null or p.channel_txn is null or r.amount_fen <> p.paid_fen
    or (p.paid_fen is null and not exists (select from anomalies n
      where n.channel_id = r.channel_id and n.facts ->> 'channel_txn' = r.channel_txn and n.amount_fen = r.amount_fen))
  union
  select channel_id || ' ' || channel_txn from received group by channel_id, channel_txn having count(*) > 1
)
select (select count(*) from fact_keys) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: refunds_booked
with given as (
  select t.id, t.kind, t.source_id, split_part(a.address, ':', 2)::bigint as channel_id, p.amount_fen
  from transfers t join postings p on p.transfer_id = t.id join accounts a on a.id = p.account_id
  where a.kind = 'channel_receivable' and p.amount_fen > 0 and t.kind <> 'stray.returned'
), done as (
  select r.id, r.channel_id, r.amount_fen, case when h.state = 'captured' then r.hold_id else r.id end as source_id
  from refunds r left join holds h on h.id = r.hold_id where r.state = 'done'
), wrong as (
  select coalesce(d.id, g.id)::text as culprit
  from given g full join done d on d.source_id = g.source_id
  where g.id is null or d.id is null or g.channel_id <> d.channel_id or g.amount_fen <> d.amount_fen
  union
  select r.id::text from refunds r left join holds h on h.id = r.hold_id
  where (r.origin = 'cash') <> (r.hold_id is not null) or (r.origin = 'cash' and h.amount_fen is distinct from r.amount_fen)
    or h.state is distinct from case when r.origin <> 'cash' then null when r.state = 'failed' then 'released'
      when r.state = 'done' then case when h.state = 'released' then 'released' else 'captured' end else 'reserved' end
)
select (select count(*) from refunds) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: money_has_orders
with booked as (
  select t.source_id as order_id, a.kind, split_part(a.address, ':', 2) as owner, p.amount_fen
  from transfers t join postings p on p.transfer_id = t.id and p.amount_fen > 0 join accounts a on a.id = p.account_id
  where t.kind = 'recharge'
), reviewed as (
  select b.owner, sum(b.amount_fen) as fen from booked b join orders o on o.id = b.order_id
  where b.kind = 'user_review' and o.state in ('held', 'refunding', 'frozen_by_order') group by b.owner
), wrong as (
  select b.order_id::text as culprit from booked b left join orders o on o.id = b.order_id
  where o.id is null or b.owner <> o.user_id::text or o.state not in ('credited', 'held', 'refunding', 'refunded', 'frozen_by_order')
    or (o.state in ('held', 'frozen_by_order') and b.kind <> 'user_review')
  union all
  select o.id::text from orders o where o.state in ('held', 'frozen_by_order') and not exists (select from booked b where b.order_id = o.id)
  union all
  select o.id::text from orders o where o.state = 'misfit' and not exists (
    select from attempts x join transfers t on t.kind = 'recharge.misfit' and t.reason = x.channel_txn
    where x.order_id = o.id and x.state = 'paid')
  union all
  select coalesce(a.address, 'review of user ' || r.owner)
  from (select address, split_part(address, ':', 2) as owner, balance_fen from accounts where kind = 'user_review' and balance_fen <> 0) a
  full join reviewed r on r.owner = a.owner where a.balance_fen is distinct from r.fen
)
select (select count(*) from orders) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: holds_backed
with open_holds as (
  select reserved_account_id as account_id, sum(amount_fen) as held_fen from holds where state = 'reserved' group by 1
), wrong as (
  select a.address as culprit
  from (select * from accounts where kind = 'user_reserved') a full join open_holds h on h.account_id = a.id
  where coalesce(a.balance_fen, 0) <> coalesce(h.held_fen, 0)
)
select (select count(*) from holds) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: refunds_within_payment
with sums as (
  select order_id, sum(amount_fen) filter (where state <> 'failed' and (origin = 'cash' or (origin <> 'cash' and state = 'done'))
    and not exists (select from anomalies n where n.attempt_id = r.attempt_id and n.kind = 'twice')) as returned_fen
  from refunds r where order_id is not null group by order_id
), wrong as (
  select o.id::text as culprit from orders o left join sums s on s.order_id = o.id
  where o.refunded_fen is distinct from coalesce(s.returned_fen, 0)
  union
  select a.id::text from attempts a
  join (select attempt_id, sum(amount_fen) as total from refunds where state <> 'failed' group by attempt_id) r on r.attempt_id = a.id
  where r.total > a.paid_fen
)
select (select count(*) from refunds) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: payouts_booked
with booked as (
  select t.source_id, sum(p.amount_fen) as fen
  from transfers t join postings p on p.transfer_id = t.id join accounts a on a.id = p.account_id
  where a.kind = 'platform_payouts' group by t.source_id
), wrong as (
  select p.id::text as culprit
  from payouts p left join holds h on h.id = p.hold_id left join booked c on c.source_id = p.hold_id left join booked b on b.source_id = p.id
  where h.amount_fen is distinct from p.amount_fen
    or h.state is distinct from case when p.state = 'rejected' then 'released' when p.state in ('paid', 'bounced') then 'captured' else 'reserved' end
    or coalesce(c.fen, 0) <> case when p.state in ('paid', 'bounced') then p.amount_fen else 0 end
    or coalesce(b.fen, 0) <> case when p.state = 'bounced' then -p.amount_fen else 0 end
    or (p.state not in ('proposed', 'rejected') and p.decided_by is not distinct from p.proposed_by
      and not (p.alone and p.amount_fen <= 500000 and exists (select from payout_moves m
        where m.payout_id = p.id and m.move = 'approved' and m.at >= p.created_at + interval '24 hours')))
  union
  select b.source_id::text from booked b where not exists (select from payouts p where b.source_id in (p.hold_id, p.id))
  union
  select o.id::text from orders o join payouts p on p.order_id = o.id
  where o.refunded_fen + paid_out_of(o.id) > (
    select coalesce(max(a.paid_fen), 0) from attempts a where a.order_id = o.id and a.id >= o.id and a.state = 'paid')
)
select (select count(*) from holds) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: strays_returned
with back as (
  select t.id, t.source_id, split_part(a.address, ':', 2)::bigint as channel_id, p.amount_fen
  from transfers t join postings p on p.transfer_id = t.id and p.amount_fen > 0 join accounts a on a.id = p.account_id
  where t.kind = 'stray.returned'
), told as (
  select n.id, n.channel_id, n.amount_fen from anomalies n where n.resolution like 'returned: %'
), wrong as (
  select coalesce(b.id, n.id)::text as culprit from back b full join told n on n.id = b.source_id
  where b.id is null or n.id is null or b.channel_id <> n.channel_id or b.amount_fen <> n.amount_fen
)
select (select count(*) from transfers) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: lots_whole
select (select count(*) from lot_cursors) as looked_at, w.address as culprit from (select 1) one left join lots_wrong w on true;

-- name: second_payments_kept
-- A second payment that was kept as balance had a refund that failed, and none that is under way or done.
with kept as (
  select t.id, t.source_id, p.amount_fen, a.address
  from transfers t join postings p on p.transfer_id = t.id and p.amount_fen > 0 join accounts a on a.id = p.account_id
  where t.kind = 'twice.kept'
), wrong as (
  select k.id::text as culprit from kept k left join attempts x on x.id = k.source_id
  where x.paid_fen is distinct from k.amount_fen or k.address <> 'user:' || x.user_id || ':cash'
    or not exists (select from anomalies n where n.attempt_id = x.id and n.kind = 'twice')
    or not exists (select from refunds r where r.attempt_id = x.id and r.state = 'failed')
    or exists (select from refunds r where r.attempt_id = x.id and r.state <> 'failed')
)
select (select count(*) from transfers) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: moves_are_states
with steps as (
  select 'order ' || order_id as what, version, from_state, to_state, (from_state, move, to_state) in (
    select from_state, move, to_state from legal_order_moves) as legal, 'created' as began from order_moves
  union all
  select 'attempt ' || attempt_id, version, from_state, to_state, (from_state, move, to_state) in (
    select from_state, move, to_state from legal_attempt_moves), 'prepared' from attempt_moves
  union all
  select 'refund ' || refund_id, version, from_state, to_state, (from_state, move, to_state) in (
    select from_state, move, to_state from legal_refund_moves), 'reserved' from refund_moves
), chained as (
  select *, lag(to_state, 1, began) over w as before, lag(version, 1, 0) over w as last, lead(version) over w is null as newest
  from steps window w as (partition by what order by version)
), machines as (
  select 'order ' || id as what, state, version, 'created' as began from orders
  union all
  select 'attempt ' || id, state, version, 'prepared' from attempts
  union all
  select 'refund ' || id, state, version, 'reserved' from refunds
), wrong as (
  select what as culprit from chained where not legal or from_state <> before or version <> last + 1
  union
  select coalesce(m.what, c.what) from machines m full join (select * from chained where newest) c on c.what = m.what
  where m.what is null or m.state <> coalesce(c.to_state, m.began) or m.version <> coalesce(c.version, 0)
)
select (select count(*) from orders) + (select count(*) from attempts) + (select count(*) from refunds) as looked_at, w.culprit
from (select 1) one left join wrong w on true;

-- name: papers_agree
-- An order is its user's, an attempt its order's and a refund its attempt's, for the sums and at the channels that they say.
with wrong as (
  select 'order ' || o.id as culprit from orders o left join users u on u.id = o.user_id
  where u.shop_id is distinct from o.shop_id or (o.state = 'credited') <> (o.credited_at is not null)
  union all
  select 'attempt ' || a.id from attempts a left join orders o on o.id = a.order_id left join channels c on c.id = a.channel_id
  where (o.shop_id, o.user_id, o.amount_fen, o.currency) is distinct from (a.shop_id, a.user_id, a.amount_fen, a.currency)
    or (c.shop_id, c.kind) <> (a.shop_id, a.kind)
    or (a.state = 'paid') <> (a.paid_fen is not null) or (a.state = 'paid') <> (a.channel_txn is not null)
  union all
  select 'transaction ' || f.channel_txn from fact_keys f join attempts a on a.id = f.attempt_id where a.channel_id <> f.channel_id
  union all
  select 'refund ' || r.id from refunds r left join attempts a on a.id = r.attempt_id
  where (a.shop_id, a.channel_id, a.paid_fen) is distinct from (r.shop_id, r.channel_id, r.total_fen)
    or (r.order_id is not null and r.order_id is distinct from a.order_id)
)
select (select count(*) from orders) + (select count(*) from attempts) + (select count(*) from refunds) as looked_at, w.culprit
from (select 1) one left join wrong w on true;

-- name: holds_booked
with lines as (
  select t.kind, t.source_id as hold_id, t.shop_id, p.amount_fen, p.account_id
  from transfers t join postings p on p.transfer_id = t.id where t.kind in ('hold.reserve', 'hold.released', 'hold.captured')
), sides as (
  select hold_id, kind, min(shop_id) as shop_id, sum(amount_fen) filter (where amount_fen > 0) as fen,
    min(account_id) filter (where amount_fen < 0) as source_id, min(account_id) filter (where amount_fen > 0) as target_id
  from lines group by hold_id, kind
), wrong as (
  select coalesce(h.id, s.hold_id)::text as culprit
  from holds h full join (select * from sides where kind = 'hold.reserve') s on s.hold_id = h.id
  where (h.shop_id, h.amount_fen, h.account_id, h.reserved_account_id) is distinct from (s.shop_id, s.fen, s.source_id, s.target_id)
  union
  select coalesce(h.id, s.hold_id)::text
  from (select * from holds where state <> 'reserved') h full join (select * from sides where kind <> 'hold.reserve') s on s.hold_id = h.id
  where (h.shop_id, h.amount_fen, h.reserved_account_id) is distinct from (s.shop_id, s.fen, s.source_id) or s.kind <> 'hold.' || h.state
    or (h.state = 'released' and s.target_id <> h.account_id)
)
select (select count(*) from holds) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: messages_accounted
with wrong as (
  select n.id::text as culprit from notifications n
  where (n.state = 'stored' and n.next_try_at is null) or (n.state <> 'stored' and n.next_try_at is not null) or n.why = ''
  union
  select k.channel_id || ' ' || k.key from notification_keys k left join notifications n on n.id = k.notification_id
  where n.channel_id is distinct from k.channel_id
)
select (select count(*) from notifications) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: purchases_whole
with cards as (
  select purchase_id, count(*) as many, count(*) filter (where state = 'delivered') as delivered from stock where purchase_id is not null group by 1
), spent as (
  select t.source_id as id, sum(p.amount_fen) as fen
  from transfers t join postings p on p.transfer_id = t.id and p.amount_fen > 0
  where t.kind in ('purchase', 'purchase.bonus', 'hold.captured') group by 1
), back as (
  select t.source_id as id, sum(p.amount_fen) as fen
  from transfers t join postings p on p.transfer_id = t.id and p.amount_fen > 0
  where t.kind in ('purchase.returned', 'purchase.bonus_returned') group by 1
), wrong as (
  select p.id::text as culprit
  from purchases p join goods g on g.id = p.goods_id left join supplies y on y.purchase_id = p.id left join back b on b.id = p.id
    left join cards c on c.purchase_id = p.id left join spent s on s.id = p.id left join spent h on h.id = p.hold_id
    left join holds o on o.id = p.hold_id left join spent k on k.id = p.bonus_hold_id left join holds q on q.id = p.bonus_hold_id
  where (g.delivery = 'cards' and p.state = 'delivered' and (c.many is distinct from p.count or c.delivered is distinct from p.count))
    or (g.delivery = 'topup' and (c.many > 0 or y.state is distinct from case p.state when 'reserved' then 'waiting'
      when 'supplying' then 'ordered' when 'delivered' then 'done' when 'returned' then 'refused' else 'dropped' end))
    or coalesce(b.fen, 0) <> case p.state when 'returned' then p.price_fen * p.count else 0 end
    or (p.state in ('delivered', 'supplying', 'returned') and (coalesce(s.fen, 0) + coalesce(h.fen, 0) + coalesce(k.fen, 0) <> p.price_fen * p.count
      or k.fen is distinct from nullif(p.bonus_fen, 0) or q.state is distinct from case when p.bonus_hold_id is not null then 'captured' end
      or o.state is distinct from case when p.hold_id is not null then 'captured' end))
    or (p.state = 'reserved' and ((g.delivery = 'cards' and c.many is distinct from p.count) or c.delivered > 0 or s.id is not null
      or o.state is distinct from case when p.hold_id is not null then 'reserved' end
      or q.state is distinct from case when p.bonus_hold_id is not null then 'reserved' end))
    or (p.state = 'released' and (c.many > 0 or s.id is not null
      or o.state is distinct from case when p.hold_id is not null then 'released' end
      or q.state is distinct from case when p.bonus_hold_id is not null then 'released' end))
)
select (select count(*) from purchases) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: bonuses_given
with booked as (
  select t.source_id, sum(p.amount_fen) as fen, min(a.address) as address
  from transfers t join postings p on p.transfer_id = t.id and p.amount_fen > 0 join accounts a on a.id = p.account_id
  where t.kind = 'bonus' group by 1
), wrong as (
  select coalesce(p.id, b.source_id)::text as culprit
  from (select * from bonus_promises where state = 'granted') p full join booked b on b.source_id = p.id
  where p.id is null or b.source_id is null or b.fen <> p.bonus_fen or b.address <> 'user:' || p.user_id || ':bonus'
  union
  select p.id::text from bonus_promises p left join orders o on o.id = p.order_id
  where p.state = 'granted' and (o.state is distinct from 'credited' or o.user_id <> p.user_id)
  union
  select p.id::text from bonus_promises p
  where p.taken_fen <> coalesce((select sum(t.amount_fen) from bonus_takings t where t.promise_id = p.id and t.state = 'taken'), 0)
  union
  select t.refund_id::text from bonus_takings t join holds h on h.id = t.hold_id
  where h.amount_fen <> t.amount_fen
    or h.state <> case t.state when 'waiting' then 'reserved' when 'given_back' then 'released' else 'captured' end
  union
  select coalesce(t.refund_id, b.source_id)::text
  from (select * from bonus_takings where state = 'restored' and hold_id is not null) t
  full join (
    select x.source_id, sum(p.amount_fen) as fen from transfers x join postings p on p.transfer_id = x.id and p.amount_fen > 0
    where x.kind = 'payout.bonus_restored' group by 1) b on b.source_id = t.hold_id
  where t.hold_id is null or b.fen is distinct from t.amount_fen
)
select (select count(*) from bonus_promises) as looked_at, w.culprit from (select 1) one left join wrong w on true;

-- name: budgets_kept
with used as (
  select c.id, c.used_fen, c.budget_fen + c.honoured_fen as budget_fen,
    case c.form
      when 'coupon' then (select count(*) from coupons k where k.campaign_id = c.id) * c.tier_bonus_fen[1]
      else (select coalesce(sum(p.bonus_fen), 0) from bonus_promises p where p.campaign_id = c.id and p.state <> 'returned')
    end as promised_fen
  from campaigns c
), wrong as (
  select 'campaign ' || u.id as culprit from used u where u.promised_fen <> u.used_fen or u.used_fen > u.budget_fen
  union
  select 'campaign ' || p.campaign_id || ' user ' || p.user_id
  from bonus_promises p join campaigns c on c.id = p.campaign_id where p.state <> 'returned'
  group by p.campaign_id, p.user_id, c.user_fen, c.user_count having sum(p.bonus_fen) > c.user_fen or count(*) > c.user_count
  union
  select 'coupon ' || k.id from coupons k
  where (k.state = 'used' and (
      select count(*) from bonus_promises p where p.coupon_id = k.id and p.state = 'granted' and p.order_id = k.order_id) <> 1)
    or (k.state <> 'used' and exists (select from bonus_promises p where p.coupon_id = k.id and p.state = 'granted'))
    or (k.state = 'reserved' and not exists (
      select from bonus_promises p where p.coupon_id = k.id and p.state = 'promised' and p.order_id = k.order_id))
)
select (select count(*) from campaigns) + (select count(*) from coupons) as looked_at, w.culprit from (select 1) one left join wrong w on true;
