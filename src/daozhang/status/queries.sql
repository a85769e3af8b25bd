-- name: add_counts
select status_add($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16);

-- name: sweep
select status_sweep($1);

-- name: slots_by_second
-- An upper bound tells the planner, who plans once for all values, that this is a small piece of the table; so elsewhere.
select s.channel_id, s.method, extract(epoch from s.slot_at)::double precision as at,
  sum(s.good)::integer as good, sum(s.bad)::integer as bad, max(s.run)::integer as run, sum(s.slow)::integer as slow,
  sum(s.users)::integer as users, sum(s.ours)::integer as ours, sum(s.paid)::integer as paid, sum(s.late)::integer as late,
  sum(s.unpaid)::integer as unpaid
from status_slots s
where s.slot_at >= $1 and s.slot_at < $1 + interval '1 day'
group by s.slot_at, s.channel_id, s.method
order by s.slot_at;

-- name: slots_by_ten
-- What is older, by ten seconds. Of such a stretch with a success only the last second's tail of failures is taken: rather too few than
-- too many.
select s.channel_id, s.method, extract(epoch from date_bin('10 seconds', s.slot_at, 'epoch'))::double precision as at,
  sum(s.good)::integer as good, sum(s.bad)::integer as bad,
  (case when sum(s.good) = 0 then sum(s.run) else (array_agg(s.run order by s.slot_at desc, s.run desc))[1] end)::integer as run,
  sum(s.slow)::integer as slow, sum(s.users)::integer as users, sum(s.ours)::integer as ours, sum(s.paid)::integer as paid,
  sum(s.late)::integer as late, sum(s.unpaid)::integer as unpaid
from status_slots s
where s.slot_at >= $1 and s.slot_at < $2
group by 1, 2, 3
order by 3;

-- name: breakers
select b.channel_id, b.method, b.phase, b.degraded, b.sign, b.version, extract(epoch from b.since_at)::double precision as since,
  extract(epoch from b.trial_at)::double precision as trial_at,
  extract(epoch from b.probation_until)::double precision as probation_until, b.base_good, b.base_bad
from status_breakers b;

-- name: move
select ended, ended_severity, began
from status_move($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18);

-- name: shop_of
select shop_id from channels where id = $1;

-- name: take_trial
select status_take_trial($1, $2, $3, $4, $5);

-- name: last_calls
select s.channel_id, extract(epoch from max(s.slot_at))::double precision as at,
  extract(epoch from max(s.slot_at) filter (where s.bad > 0))::double precision as bad_at
from status_slots s where s.slot_at >= $1 and s.slot_at < $1 + interval '1 day' and s.good + s.bad > 0 group by 1;

-- name: planned
-- Maintenance that is under way, comes, or ended at most an hour ago.
select m.id, m.shop_id, m.channel_id, m.methods, m.begins_at, m.ends_at, m.note, m.ended_at
from channel_maintenance m where least(m.ends_at, m.ended_at) > $1 and (m.ended_at is null or m.ended_at > m.begins_at)
order by m.begins_at limit 500;

-- name: suspended
select s.id, s.shop_id, s.channel_id, s.kind, s.class, s.reference, s.reason, s.since_at
from channel_suspensions s where s.lifted_at is null order by s.since_at limit 1000;

-- name: plan
insert into channel_maintenance (id, shop_id, channel_id, methods, begins_at, ends_at, note, actor, created_at)
select $1, c.shop_id, c.id, $3, $4, $5, $6, $7, $8 from channels c where c.id = $2
returning shop_id;

-- name: end_plan
update channel_maintenance set ended_at = $2 where id = $1 and ended_at is null and ends_at > $2 returning shop_id, channel_id;

-- name: suspend
insert into channel_suspensions (id, shop_id, channel_id, kind, class, reference, reason, actor, since_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: resume
update channel_suspensions set lifted_at = $3, lifted_by = $4
where lifted_at is null and shop_id = $2 and id = $1 returning id;

-- name: channel_methods
select shop_id, methods from channels where id = $1;

-- name: recent_sums
select s.channel_id, s.method, sum(s.good)::bigint as good, sum(s.bad)::bigint as bad, sum(s.paid)::bigint as paid,
  array[sum(s.took[1]), sum(s.took[2]), sum(s.took[3]), sum(s.took[4]), sum(s.took[5]), sum(s.took[6]), sum(s.took[7]),
        sum(s.took[8])]::bigint[] as took,
  array[sum(s.lag[1]), sum(s.lag[2]), sum(s.lag[3]), sum(s.lag[4]), sum(s.lag[5]), sum(s.lag[6]), sum(s.lag[7]),
        sum(s.lag[8])]::bigint[] as lag
from status_slots s join channels c on c.id = s.channel_id
where s.slot_at >= $2 and s.slot_at < $2 + interval '1 day' and c.shop_id = $1
group by 1, 2;

-- name: recent_banks
select s.channel_id, s.bank, sum(s.paid)::bigint as paid, sum(s.unpaid)::bigint as failed,
  array[sum(s.lag[1]), sum(s.lag[2]), sum(s.lag[3]), sum(s.lag[4]), sum(s.lag[5]), sum(s.lag[6]), sum(s.lag[7]),
        sum(s.lag[8])]::bigint[] as lag
from status_slots s join channels c on c.id = s.channel_id
where s.slot_at >= $2 and s.slot_at < $2 + interval '1 day' and c.shop_id = $1 and s.bank <> ''
group by 1, 2 having sum(s.paid + s.unpaid) > 0 order by sum(s.paid + s.unpaid) desc limit 200;

-- name: day_sums
select d.channel_id, d.day, sum(d.good)::bigint as good, sum(d.bad)::bigint as bad
from status_days d join channels c on c.id = d.channel_id
where d.day >= $2 and c.shop_id = $1 and d.method <> ''
group by 1, 2;

-- name: incidents_since
select i.channel_id, i.method, i.severity, i.sign, i.began_at, i.ended_at
from status_incidents i where i.shop_id = $1 and (i.ended_at is null or i.ended_at > $2)
order by i.began_at desc limit 5000;

-- name: maintenance_since
select m.id, m.shop_id, m.channel_id, m.methods, m.begins_at, m.ends_at, m.note, m.ended_at
from channel_maintenance m where m.shop_id = $1 and m.ends_at > $2 and (m.ended_at is null or m.ended_at > m.begins_at)
order by m.begins_at limit 2000;
