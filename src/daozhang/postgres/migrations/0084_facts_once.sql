-- What `facts_of_wishes` and `begin_orders` (0081) took over is gone: a window is defined in one place.
drop function admitted_since;
drop function eligibility_of;
drop function signals_before;
drop function claim_orders;
