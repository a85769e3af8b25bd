"""Ports for what others do for us: sending text messages, checking a face, checking a name against its number."""
