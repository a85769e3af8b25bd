"""What a payer's browser or camera does with what the shop shows, whichever channel it leads to."""

import contextlib
import re
from urllib.parse import urljoin

import aiohttp

from daozhang.recharge.model import OrderView
from daozhang.simulators.simulator import Simulator
from daozhang.simulators.station import NotPayable

_CODE = re.compile(r"/phone/pay/([^/?]+)")
_MOST_HOPS = 4


async def open_payment(sim: Simulator, seen: OrderView) -> bool:
    """Scan the code, follow the link or send the form, so that the phone shows the payment; False when there is nothing to open.

    Raises `NotPayable("unknown")` for a code that leads nowhere.
    """
    payload = seen.payload
    if seen.action == "qr":
        code = sim.phone.scan(payload["text"])
        with contextlib.suppress(NotPayable):
            sim.phone.see(code)
        return True
    if seen.action not in ("link", "form"):
        return False
    method, url, fields = ("GET", payload["text"], None) if seen.action == "link" else ("POST", payload["url"], payload["fields"])
    async with aiohttp.ClientSession() as browser:
        for _ in range(_MOST_HOPS):
            async with browser.request(method, url, data=fields, allow_redirects=False) as answer:
                await answer.read()
                method, url, fields = "GET", urljoin(url, answer.headers.get("Location", "")), None
            code = _CODE.search(url)
            if code is not None:
                with contextlib.suppress(NotPayable):
                    sim.phone.see(code.group(1))
                return True
    return False
