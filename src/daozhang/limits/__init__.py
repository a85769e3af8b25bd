"""Limits: what a payment, a day and a month of one user may be, ours, the channel's and the bank's; and what a way to pay costs.

`model` and `judge` are pure; `read` tells what holds now, `rows` is what staff state, `contradiction` what channels teach us.
"""
