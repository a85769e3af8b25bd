-- Why a balance could not be spent or asked back is told where recharges are looked at in general: the last of a user's decisions.
create index on decisions (user_id, id) where stage in ('spend', 'refund');
