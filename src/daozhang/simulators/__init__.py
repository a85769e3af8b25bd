"""Strangers to the house: protocol-true channels, the payer's phone and the fault dial. They ship with the product."""
