"""UnionPay ACP 5.1.0 as seen from outside, written from its published protocol."""
