"""Announcements: what the shop tells everybody, in both languages, from when until when."""

from daozhang.announcements.rows import Announcement, announce, current, listed, withdraw

__all__ = ["Announcement", "announce", "current", "listed", "withdraw"]
