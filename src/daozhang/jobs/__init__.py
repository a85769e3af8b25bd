"""Work that comes due: claimed from the rows themselves, periodic work led by a lease."""
