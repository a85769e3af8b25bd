-- Other rooms read whether somebody was told of something, and nothing of what was said.
create view notices_facts as
  select n.id as notice_id, n.shop_id, n.user_id, n.kind, n.at from notices n;
grant select on notices_facts to daozhang_app;
