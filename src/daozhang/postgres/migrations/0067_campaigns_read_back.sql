-- A rule is written as a restored backup writes it, so that both databases read the same.
alter table campaigns drop constraint campaigns_check1;
alter table campaigns add constraint campaigns_check1
  check (cardinality(tier_from_fen) >= 1 and cardinality(tier_from_fen) <= 12 and cardinality(tier_from_fen) = cardinality(tier_bonus_fen));
