"""The kinds of channels there are, each speaking one protocol."""
