-- Where money is: what waits for its owner's word is found by its state, and the diagnosis may read refunds and booked payments.

-- Money of a wrong amount waits for its owner; whoever says nothing for a week gets it back.
create index orders_misfit on orders (moved_at) where state = 'misfit';

create view refunds_facts as
  select r.id as refund_id, r.order_id, r.shop_id, r.state, r.amount_fen, r.next_query_at, r.created_at, r.moved_at from refunds r;
create view payments_facts as
  select k.channel_id, k.channel_txn, k.attempt_id from fact_keys k;

grant select on refunds_facts, payments_facts to daozhang_app;
