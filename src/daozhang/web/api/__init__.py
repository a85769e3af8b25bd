"""The programs' interface: JSON over HTTP, problems as RFC 9457."""
