"""The bill of a day: an address that holds for 30 seconds, and behind it a zip of two GBK files whose cells end with a tab.

Source: "bill download" of the open platform; from nine o'clock of the next day on.
"""

import io
import secrets
import zipfile
from datetime import date, datetime, timedelta
from typing import Any

from daozhang.clock import SHANGHAI
from daozhang.simulators.alipay.books import Books, Refund, Trade
from daozhang.simulators.alipay.enrolment import App
from daozhang.simulators.alipay.errors import ApiError
from daozhang.simulators.alipay.fields import read_content
from daozhang.simulators.alipay.trades import BUYER, beijing, plain_yuan
from daozhang.simulators.watch import Watch

VALID_S = 30
PATH = "/alipay/bill/"
HEADER = (
    "支付宝交易号", "商户订单号", "业务类型", "商品名称", "创建时间", "完成时间", "门店编号", "门店名称",
    "操作员", "终端号", "对方账户", "订单金额（元）", "商家实收（元）", "支付宝红包（元）", "集分宝（元）",
    "支付宝优惠（元）", "商家优惠（元）", "券核销金额（元）", "券名称", "商家红包消费金额（元）",
    "卡消费金额（元）", "退款批次号/请求号", "服务费（元）", "分润（元）", "备注",
)  # fmt: skip
_READY_HOUR = 9
_KEPT_DAYS = 6 * 365


class Bills:
    """Bills of the applications in the books."""

    def __init__(self, books: Books, watch: Watch, url: str) -> None:
        self._books, self._watch, self._url = books, watch, url
        self._open: dict[str, tuple[float, App, date]] = {}

    def address(self, app: App, content: str) -> dict[str, Any]:
        """Where the bill of a day is. Raises `ApiError`."""
        fields = read_content(content, frozenset({"bill_type", "bill_date", "smid"}))
        if fields.text("bill_type", 20) not in ("trade", "signcustomer"):
            raise ApiError("TYPE_NOT_SUPPORTED")
        try:
            day = date.fromisoformat(fields.text("bill_date", 10))
        except ValueError:
            raise ApiError("INVAILID_ARGUMENTS") from None
        now = self._watch.now().astimezone(SHANGHAI)
        if now < datetime(day.year, day.month, day.day, _READY_HOUR, tzinfo=SHANGHAI) + timedelta(days=1):
            raise ApiError("BILL_NOT_EXIST")
        if day < now.date() - timedelta(days=_KEPT_DAYS):
            raise ApiError("BILL_DATE_BEFORE_REGISTRATION")
        token = secrets.token_urlsafe(18)
        self._open = {known: each for known, each in self._open.items() if each[0] > self._watch.now_s()}
        self._open[token] = (self._watch.now_s() + VALID_S, app, day)
        return {"bill_download_url": f"{self._url}{PATH}{token}"}

    def fetch(self, token: str) -> bytes | None:
        """The zip behind an address; None when it has lapsed."""
        found = self._open.get(token)
        if found is None or found[0] <= self._watch.now_s():
            return None
        return self._zip(found[1], found[2])

    def _zip(self, app: App, day: date) -> bytes:
        start = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).timestamp()
        paid = [each for each in self._books.paid_between(start, start + 86_400) if each.app_id == app.app_id]
        returned = [each for each in self._books.refunds_between(start, start + 86_400) if each.app_id == app.app_id]
        rows = [self._payment(trade) for trade in paid] + [self._refund(refund) for refund in returned]
        paid_fen, returned_fen = sum(each.charged_fen for each in paid), sum(each.amount_fen for each in returned)
        number, stamp = f"{app.seller_id[:4]}****{app.seller_id[-4:]}0156", beijing(self._watch.now_s())
        head = [
            "#支付宝业务明细查询",
            f"#账号：[{app.seller_id}0156]",
            f"#起始日期：[{day:%Y年%m月%d日} 00:00:00]   终止日期：[{day + timedelta(days=1):%Y年%m月%d日} 00:00:00]",
            "#-----------------------------------------业务明细列表----------------------------------------",
            ",".join(HEADER),
        ]
        foot = [
            "#-----------------------------------------业务明细列表结束------------------------------------",
            f"#交易合计：{len(paid)}笔，商家实收共{plain_yuan(paid_fen)}元，商家优惠共0.00元",
            f"#退款合计：{len(returned)}笔，商家实收退款共-{plain_yuan(returned_fen)}元，商家优惠退款共0.00元",
            f"#导出时间：[{stamp}]",
        ]
        lines = head + [",".join(f"{cell}\t" for cell in row) for row in rows] + foot
        summary = [*head[:3], "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）", *foot[1:]]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in (("业务明细", lines), ("业务明细(汇总)", summary)):
                # Old archives carry the bytes of GBK names without saying so.
                entry = zipfile.ZipInfo(f"{number}_{day:%Y%m%d}_{name}.csv".encode("gbk").decode("cp437"))
                archive.writestr(entry, "\r\n".join(content).encode("gbk", "replace") + b"\r\n")
        return packed.getvalue()

    def _payment(self, trade: Trade) -> list[str]:
        amount = plain_yuan(trade.charged_fen)
        done = beijing(trade.paid_s or trade.created_s)
        return [
            trade.trade_no or "", trade.out_trade_no, "交易", trade.subject, beijing(trade.created_s), done, "", "", "", "",
            BUYER["logon"], amount, amount, "0.00", "0.00", plain_yuan(trade.voucher_fen), "0.00", "0.00", "", "0.00", "0.00", "",
            "0.00", "0.00", trade.subject,
        ]  # fmt: skip

    def _refund(self, refund: Refund) -> list[str]:
        trade = self._books.trade(refund.app_id, refund.out_trade_no)
        assert trade is not None
        amount = f"-{plain_yuan(refund.amount_fen)}"
        return [
            trade.trade_no or "", trade.out_trade_no, "退款", trade.subject, beijing(trade.created_s),
            beijing(refund.done_s or refund.created_s), "", "", "", "", BUYER["logon"], amount, amount, "0.00", "0.00", "0.00",
            "0.00", "0.00", "", "0.00", "0.00", refund.out_request_no, "0.00", "0.00", refund.reason,
        ]  # fmt: skip
