"""Who may do what, and why not: facts, checks written once, one decision, and the book of parameters."""
