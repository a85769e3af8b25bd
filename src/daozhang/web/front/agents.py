"""Names a device from its User-Agent, so that a person knows it again in a list. A hint for eyes, never a proof of anything."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daozhang.web.locale import Locale

_BROWSERS = (
    ("MicroMessenger", "browser.wechat"),
    ("AlipayClient", "browser.alipay"),
    ("HuaweiBrowser", "browser.huawei"),
    ("MQQBrowser", "browser.qq"),
    ("UCBrowser", "browser.uc"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("OpenHarmony", "HarmonyOS"),
    ("HarmonyOS", "HarmonyOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)


def agent_name(agent: str, reader: "Locale") -> str:
    """`Firefox · Windows`, `微信 · iPhone`, or that the device is not known."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    if browser.startswith("browser."):
        browser = reader.t(browser)
    return " · ".join(part for part in (browser, system) if part) or reader.t("me.agent_unknown")
