"""Users, their passwords, sessions, devices and standing; rate limits that all processes share."""

from daozhang.identity.hashing import Hasher
from daozhang.identity.limits import BUCKETS, Bucket, Limiter
from daozhang.identity.model import LoggedIn, Session, SessionLine, Visitor
from daozhang.identity.phone import mask_phone, read_phone
from daozhang.identity.service import Identity

__all__ = [
    "BUCKETS",
    "Bucket",
    "Hasher",
    "Identity",
    "Limiter",
    "LoggedIn",
    "Session",
    "SessionLine",
    "Visitor",
    "mask_phone",
    "read_phone",
]
