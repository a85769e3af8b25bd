"""Goods: somewhere to spend. A small shop with card stock, bought from the balance, at a channel, or both."""
