"""The desk of the staff, at /desk: cases, orders, users, rules, money, and the trail of everything done there."""
