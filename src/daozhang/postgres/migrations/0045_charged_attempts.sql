-- A payment that its channel has taken and not yet booked is not open to be paid any more: nobody is shown its code again.

insert into legal_attempt_moves (from_state, move, to_state) values ('open', 'doubted', 'unknown');
