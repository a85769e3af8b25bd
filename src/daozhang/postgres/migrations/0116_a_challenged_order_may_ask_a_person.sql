-- Who cannot confirm an order by a code or the face may have a person look at it: the order waits for that instead, unpaid as before.
insert into legal_order_moves (from_state, move, to_state) values ('challenged', 'asked', 'reviewing');
