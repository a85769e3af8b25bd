"""The public status page of the channels."""
