-- Money found in suspense may belong to an order that was paid another way before: it stays in suspense until it has gone back.
insert into transfer_kinds (kind, from_kind, to_kind) values ('recharge.twice', 'platform_suspense', 'platform_suspense');
