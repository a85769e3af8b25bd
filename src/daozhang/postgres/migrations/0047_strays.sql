-- Money of no order of ours, and a second transaction of one number, goes back by hand at the channel: then it leaves the books as well.

insert into transfer_kinds (kind, from_kind, to_kind) values ('stray.returned', 'platform_suspense', 'channel_receivable');
