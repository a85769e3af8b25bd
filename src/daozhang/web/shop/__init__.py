"""The shop window: what there is to buy, buying it, and what was bought."""
