"""The registers of the law against money laundering, for the role `aml` alone; and forgetting in time."""
