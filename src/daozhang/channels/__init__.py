"""Payment channels: what each looks like from inside, their rows and keys, and the adapters that speak their protocols."""
