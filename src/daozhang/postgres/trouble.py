"""What can go wrong with a server of ours."""


class ServerTrouble(Exception):
    """The embedded server cannot be made or started; the message is for the operator and holds no secret."""
