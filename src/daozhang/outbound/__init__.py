"""The only room that calls out."""

from daozhang.outbound.transport import (
    ConnectFault,
    Exchange,
    Fault,
    ForbiddenHost,
    ReadFault,
    Reply,
    Subject,
    TimeoutFault,
    Transport,
)

__all__ = [
    "ConnectFault",
    "Exchange",
    "Fault",
    "ForbiddenHost",
    "ReadFault",
    "Reply",
    "Request",
    "Subject",
    "TimeoutFault",
    "Transport",
]
