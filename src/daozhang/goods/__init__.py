"""Goods: a small shop with card stock and top-ups, bought from the balance, at a channel, or both."""
