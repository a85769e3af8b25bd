"""Codes to scan, drawn as a part of the page: no picture is fetched, and none is kept."""

import segno


def drawn(text: str) -> str:
    """A QR code of the middle error level as inline SVG, dark on nothing."""
    return segno.make(text, error="m").svg_inline(border=2, omitsize=True, dark="#1b211f")
