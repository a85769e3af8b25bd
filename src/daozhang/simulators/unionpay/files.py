"""Settlement files: fixed-width lines in GBK, one file of successes (ZM) and one of exceptions (ZME), zipped, zlib, base64.

Source: the file chapter of the ACP 5.1.0 specification. Widths are bytes, a blank stands between two fields; the file of a clearing
day is there when the day has ended.
"""

import base64
import io
import zipfile
import zlib
from datetime import datetime

from daozhang.simulators.unionpay.books import Books, Order, Return
from daozhang.simulators.unionpay.codes import Refused
from daozhang.simulators.unionpay.told import clearing_bounds, clearing_day
from daozhang.simulators.watch import Watch, digits

ZM_WIDTHS = (
    3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2,
    2, 6, 2, 4, 32, 1, 21, 15, 1, 15, 32, 13, 13, 8, 32, 13, 13, 12, 2, 1, 131,
)  # fmt: skip
_READY_S = 9 * 3600
"""How long after a clearing day has ended its file is there."""


class Files:
    """The file service."""

    def __init__(self, books: Books, watch: Watch) -> None:
        self._books, self._watch = books, watch

    def content(self, mer_id: str, settle_date: str) -> tuple[str, str]:
        """(fileName, fileContent) of the last clearing day with that date (`MMDD`). Raises `Refused`: 98 = not there (yet)."""
        now_s = self._watch.now_s()
        day = self._day(settle_date, now_s)
        start_s, end_s = clearing_bounds(day)
        if now_s < end_s + _READY_S:
            raise Refused("98")
        orders, returns = self._books.of_day(start_s, end_s)
        rows = [_paid(order) for order in orders if order.mer_id == mer_id]
        rows += [_returned(each) for each in returns if each.mer_id == mer_id]
        name = f"{day:%Y%m%d}"
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"INN{name[2:]}88ZM_{mer_id}", b"".join(_line(row) for row in rows))
            archive.writestr(f"INN{name[2:]}88ZME_{mer_id}", b"")
        return f"{mer_id}_{name}.zip", base64.b64encode(zlib.compress(packed.getvalue())).decode()

    @staticmethod
    def _day(settle_date: str, now_s: float) -> datetime:
        if len(settle_date) != 4 or not settle_date.isdigit() or not settle_date.isascii():
            raise Refused("10", "报文格式错误，settleDate[6100030]")
        today = clearing_day(now_s)
        for year in (today.year, today.year - 1):
            try:
                day = today.replace(year=year, month=int(settle_date[:2]), day=int(settle_date[2:]))
            except ValueError:
                continue
            if day <= today:
                return day
        raise Refused("98")


def _paid(order: Order) -> dict[int, str]:
    assert order.paid_s is not None
    return {
        4: order.trace_no,
        5: digits(order.paid_s)[4:],
        7: f"{order.charged_fen:012d}",
        10: order.query_id or "",
        12: order.order_id,
        16: "C000000000000",
        17: f"C{order.charged_fen:012d}",
        18: "0001",
        20: "01",
        28: order.mer_id,
        33: f"C{order.charged_fen:012d}",
    }


def _returned(back: Return) -> dict[int, str]:
    return {
        4: back.trace_no,
        5: digits(back.created_s)[4:],
        7: f"{back.amount_fen:012d}",
        10: back.query_id,
        12: back.order_id,
        16: "C000000000000",
        17: f"D{back.amount_fen:012d}",
        18: "0001",
        20: back.kind,
        27: back.orig_query_id,
        28: back.mer_id,
        33: f"D{back.amount_fen:012d}",
    }


def _line(row: dict[int, str]) -> bytes:
    cells = [row.get(place, "").encode("gbk")[:width].ljust(width) for place, width in enumerate(ZM_WIDTHS, 1)]
    return b" ".join(cells) + b"\r\n"
