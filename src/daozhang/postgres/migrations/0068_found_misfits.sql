-- Money found in suspense may be of another amount than its order asked for: it stays in suspense, under its order's name.
insert into transfer_kinds (kind, from_kind, to_kind) values ('recharge.misfit', 'platform_suspense', 'platform_suspense');
