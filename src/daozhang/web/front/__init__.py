"""The front desk: the pages of people with a wallet."""
