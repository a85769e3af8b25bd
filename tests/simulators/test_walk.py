"""What the shop shows leads to the phone, at every kind and by every method: codes are scanned, links followed, forms sent."""

import re
from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp
import pytest
from tests.flows.payer import open_payment
from tests.flows.shop import Shop, open_shop

from daozhang.channels.catalogue import KINDS
from daozhang.postgres import Database
from daozhang.settings import Settings
from daozhang.simulators.stations import KNOWN
from daozhang.simulators.words import words


@pytest.fixture
async def street(database: Database, settings: Settings) -> AsyncIterator[Shop]:
    """A shop with a channel of each kind."""
    async with open_shop(database, settings, kinds=tuple(KNOWN)) as opened:
        yield opened


@pytest.mark.parametrize("kind", KNOWN)
async def test_every_method_leads_to_the_phone_and_is_paid_there(street: Shop, kind: str) -> None:
    sim, texts = street.sim, words("en", kind)
    methods = sim.stations[kind].card()["methods"]
    assert set(methods) <= set(KINDS[kind].methods)
    async with aiohttp.ClientSession(headers={"Accept-Language": "en"}) as browser:
        for method in methods:
            order = await street.place_at(kind, method)
            assert await open_payment(sim, order), (method, order.state, order.reason)
            payment = sim.phone.find(await street.number(order.id))
            if order.action == "qr":
                async with browser.get(f"{sim.url}/phone/scan?code_url={quote(order.payload['text'], safe='')}") as answer:
                    assert answer.url.path == f"/phone/pay/{payment.code}"
            async with browser.get(f"{sim.url}/phone/pay/{payment.code}") as answer:
                page = await answer.text()
            assert answer.status == 200, page
            assert texts.name in page
            for way in sim.stations[kind].ways:
                assert f'value="{way}"' in page
            for trick in sim.stations[kind].tricks:
                assert f'<option value="{trick}"' in page
            assert not re.search(r"<style|style=|<script>|\son\w+=", page), "nothing is inline"
            async with browser.post(f"{sim.url}/phone/pay/{payment.code}", data={"act": "pay"}) as answer:
                assert texts.paid_title in await answer.text()
            await street.reach(order.id, "credited")
