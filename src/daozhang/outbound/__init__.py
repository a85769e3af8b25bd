"""The only room that calls out."""

from daozhang.outbound.hosts import ForbiddenHost
from daozhang.outbound.transport import ConnectFault, Exchange, Fault, ReadFault, Reply, Request, Subject, TimeoutFault, Transport

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
