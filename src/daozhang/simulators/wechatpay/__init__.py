"""WeChat Pay API v3 as seen from outside, written from its published protocol."""
