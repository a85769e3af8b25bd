"""What happened: the append-only log, who waits for it, and what was said to and by channels."""
