"""Which channels can be simulated. A new kind is a folder here and one line."""

from daozhang.simulators.alipay.station import AlipayStation
from daozhang.simulators.epay.station import Epay
from daozhang.simulators.station import Maker
from daozhang.simulators.unionpay.station import UnionPay
from daozhang.simulators.wechatpay.station import WeChatPay

KNOWN: dict[str, Maker] = {
    "wechatpay": WeChatPay,
    "alipay": AlipayStation,
    "unionpay": UnionPay,
    "epay": Epay,
}  # fmt: skip
