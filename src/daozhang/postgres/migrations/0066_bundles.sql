-- What a bundle of evidence needs besides the order itself: the page that its payer saw, and digests of what was said to channels.
create view pages_facts as
  select d.order_id, d.facts ->> 'page_version' as page_version, d.at from decisions d where d.stage = 'place';
create view exchange_digests_facts as
  select i.id, i.order_id, i.attempt_id, i.refund_id, i.channel_id, i.direction, i.operation, i.trace, i.status, i.duration_us, i.result,
    encode(sha256(convert_to(coalesce(i.request, ''), 'UTF8')), 'hex') as request_sha256,
    encode(sha256(convert_to(coalesce(i.response, ''), 'UTF8')), 'hex') as response_sha256, i.at
  from interface_log i;
grant select on pages_facts, exchange_digests_facts to daozhang_app;
