"""How Alipay's gateway says no: `code`, `sub_code` and the texts merchants know."""

import tomllib
from functools import cache
from importlib import resources

MESSAGES = {
    "10000": "Success",
    "10003": "order success pay inprocess",
    "20000": "Service Currently Unavailable",
    "20001": "Insufficient Token Permissions",
    "40001": "Missing Required Arguments",
    "40002": "Invalid Arguments",
    "40003": "Insufficient Conditions",
    "40004": "Business Failed",
    "40005": "Call Limited",
    "40006": "Insufficient Permissions",
}
BUSINESS = "40004"


class ApiError(Exception):
    """A call that Alipay refuses. Business refusals (40004) are signed; the gateway's own are not."""

    def __init__(self, sub_code: str, sub_msg: str = "") -> None:
        super().__init__(sub_code)
        code, text = codes().get(sub_code, (BUSINESS, sub_code))
        self.code = sub_code if sub_code in MESSAGES else code
        self.sub_code = "" if sub_code in MESSAGES else sub_code
        self.sub_msg = sub_msg or text

    @property
    def signed(self) -> bool:
        """Whether the answer carries a signature."""
        return self.code == BUSINESS

    def content(self) -> dict[str, str]:
        """The inner object of the answer."""
        told = {"code": self.code, "msg": MESSAGES.get(self.code, "Business Failed")}
        return told | ({"sub_code": self.sub_code, "sub_msg": self.sub_msg} if self.sub_code else {})


@cache
def codes() -> dict[str, tuple[str, str]]:
    """Every `sub_code` with its `code` and text."""
    told = tomllib.loads(resources.files(__package__ or "").joinpath("codes.toml").read_text("utf-8"))
    return {sub_code: (code, text) for code, texts in told.items() for sub_code, text in texts.items()}
