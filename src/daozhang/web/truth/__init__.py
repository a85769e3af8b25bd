"""Pages of truth: the rules as they are enforced, what was announced, what each reason means, and how to pay safely."""
