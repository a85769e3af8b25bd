"""How this operator speaks: the dialects of the wild, as switches that a test or a person may turn while it runs."""

from typing import Literal

import msgspec


class Tongue(msgspec.Struct, kw_only=True):
    """The usual one is that of the platform's current builds."""

    mapi: bool = True
    v2: bool = True
    refunds: bool = True
    refund_ok: int = 0
    tells_returned: bool = False
    """V1's order query tells how much went back."""
    tells_pid: bool = True
    capitals: bool = False
    """MD5 in capitals."""
    words: bool = False
    """States in words."""
    notice: Literal["GET", "POST"] = "GET"
    status: str = "TRADE_SUCCESS"


TONGUES: dict[str, Tongue] = {
    "rainbow": Tongue(),
    "classic": Tongue(mapi=False, v2=False, refunds=False),
    "exact": Tongue(v2=False, refund_ok=1, tells_returned=True, notice="POST"),
    "words": Tongue(v2=False, tells_pid=False, capitals=True, words=True, status="TRADE_FINISHED"),
}


class Rules(msgspec.Struct, kw_only=True):
    """What the operator has set for its merchants and payers; each switch has a sentence of its own when it stops something."""

    banned: bool = False
    unapproved: bool = False
    unverified: bool = False
    domain_unknown: bool = False
    deposit_short: bool = False
    balance_short: bool = False
    most_fen: int = 0
    least_fen: int = 0
    type_most_fen: int = 0
    type_least_fen: int = 0
    broken: bool = False
    payer_count_used: bool = False
    payer_sum_used: bool = False
    payer_blocked: bool = False
    crowded: bool = False
    wants_page: bool = False
    goods_forbidden: bool = False
    plugin_down: str = ""
    """What the plug-in of the wallet says instead of giving a way to pay."""
    rsa_only: bool = False
    refunds_off: bool = False
    """The operator takes no refunds from merchants."""
    refund_api_off: bool = False
    """This merchant was not given the refund interface."""
    wallet_refunds_off: bool = False
    wallet_closes: bool = True
    refund_trouble: str = ""
    """What the wallet says instead of returning money."""
    funds_short: bool = False
    gives: Literal["qrcode", "payurl", "urlscheme", "html"] = "qrcode"
    """What mapi.php gives where a code was asked for."""
    failures_off: int = 0
    """So many callbacks given up in a row switch the merchant off; 0 = never."""
