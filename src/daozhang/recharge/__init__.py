"""From a wish to money in the wallet: place, settle, chase, refund."""
