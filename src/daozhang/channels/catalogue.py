"""Which kinds exist. A new kind is a folder below `kinds` and one line here."""

from daozhang.channels.kind import Kind
from daozhang.channels.kinds import alipay, epay, unionpay, wechatpay

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        wechatpay.KIND,
        alipay.KIND,
        epay.KIND,
        unionpay.KIND,
    )
}  # fmt: skip
