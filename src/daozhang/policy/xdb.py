"""Reading an xdb file, the format of ip2region: sorted ranges of addresses, each with a line of text.

A header of 256 bytes (version, index policy, time, start and end of the index, and in version 3 the IP version); then a vector of
256 x 256 pairs of offsets by the first two bytes of the address; texts; and index blocks of start, end, length and offset.
Numbers are little-endian. IPv4 borders are written little-endian, IPv6 borders in network order. Source: ip2region's own notes.
"""

from struct import Struct

_HEAD = Struct("<HHIIIHH")
_HEADER_BYTES, _VECTOR_BYTES = 256, 256 * 256 * 8
_PAIR, _TAIL = Struct("<II"), Struct("<HI")
_LARGEST_BYTES = 256 * 1024 * 1024


class BadPlaces(ValueError):
    """Not an xdb file, or one whose offsets point outside of it."""


class Xdb:
    """One file in memory. `version` is that of its addresses, 4 or 6."""

    def __init__(self, content: bytes) -> None:
        if not _HEADER_BYTES + _VECTOR_BYTES < len(content) <= _LARGEST_BYTES:
            raise BadPlaces("it is not as large as such a file is")
        format_, policy, self.made_s, start, end, ip_version, _ = _HEAD.unpack_from(content)
        if format_ not in (2, 3) or policy != 1:
            raise BadPlaces("its version or index is not one that is known here")
        self.version = 6 if format_ == 3 and ip_version == 6 else 4
        self._width = 16 if self.version == 6 else 4
        self._block = 2 * self._width + _TAIL.size
        if not _HEADER_BYTES + _VECTOR_BYTES <= start <= end <= len(content) - self._block or (end - start) % self._block:
            raise BadPlaces("its index does not lie within it")
        self._content = content

    def find(self, packed: bytes) -> str | None:
        """The text of the range that holds an address (network order, 4 or 16 bytes)."""
        content, width, block = self._content, self._width, self._block
        first, last = _PAIR.unpack_from(content, _HEADER_BYTES + (packed[0] * 256 + packed[1]) * 8)
        if not first or last < first or last > len(content):
            return None
        low, high = 0, (last - first) // block
        while low <= high:
            middle = (low + high) // 2
            at = first + middle * block
            if at + block > len(content):
                return None
            start, end = content[at : at + width], content[at + width : at + 2 * width]
            if width == 4:
                start, end = start[::-1], end[::-1]
            if packed < start:
                high = middle - 1
            elif packed > end:
                low = middle + 1
            else:
                length, offset = _TAIL.unpack_from(content, at + 2 * width)
                return content[offset : offset + length].decode("utf-8", "replace")
        return None
