"""Rules of risk as data: a registry of typed features, condition trees, two ways to judge them that must agree, and why one hit."""
