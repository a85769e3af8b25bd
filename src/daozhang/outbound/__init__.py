"""The only room that calls out."""

from daozhang.outbound.hosts import ForbiddenHost
from daozhang.outbound.message import ConnectFault, Fault, ReadFault, Reply, Request, TimeoutFault
from daozhang.outbound.transport import Exchange, Subject, Transport

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
