"""A simulated operator of Epay (易支付): it speaks V1 and V2, keeps its own books, and has the vices that operators have."""
