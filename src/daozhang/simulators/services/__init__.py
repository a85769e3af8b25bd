"""What is not a channel: a messenger, a face service and a register of names, for the providers' ports."""
