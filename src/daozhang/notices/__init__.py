"""Messages to people: written in the transaction that has something to tell, read on this site in the reader's own language."""

from daozhang.notices.messages import SAFETY, Notice, read, recent, tell, unread, unread_count

__all__ = ["SAFETY", "Notice", "read", "recent", "tell", "unread", "unread_count"]
