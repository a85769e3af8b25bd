-- Failures as the desk counts them: a step left undone before the payment and money of another amount are failures, too.

create or replace view failures_desk as
  select f.shop_id, f.order_id, f.user_id, f.amount_fen, f.reason, f.channel_id, f.method, f.at from (
    select o.shop_id, a.order_id, o.user_id, o.amount_fen, a.reason, a.channel_id, a.method, a.created_at as at, a.id as since_id
    from attempts a join orders o on o.id = a.order_id where a.reason is not null and a.state <> 'paid'
    union all
    select o.shop_id, o.id, o.user_id, o.amount_fen, coalesce(o.reason, 'anomaly.amount'), o.channel_id, o.method, o.created_at, o.id
    from orders o
    where (o.reason is not null or o.state = 'misfit')
      and o.state in ('refused', 'failed', 'expired', 'abandoned', 'reviewing', 'held', 'misfit')
      and not exists (select from attempts a where a.order_id = o.id and a.reason = o.reason)
  ) f;
