"""What is made of requests before the first statement: the wish that policy judges, and the hash that a repeated key is held to."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from daozhang import clock, ids
from daozhang.policy.facts import Wish
from daozhang.policy.places import province_of
from daozhang.recharge import bonus
from daozhang.recharge.model import PlaceRequest
from daozhang.recharge.route import Standing


class Ready(NamedTuple):
    """Requests with what the first statement needs of them: one entry for each, in order. An origin is device, payer, province."""

    at: datetime
    order_ids: Sequence[UUID]
    requests: Sequence[PlaceRequest]
    hashes: Sequence[bytes]
    devices: Sequence[UUID | None]
    payers: Sequence[bytes | None]
    provinces: Sequence[str | None]


def make_ready(requests: Sequence[PlaceRequest], payer_of: Callable[[PlaceRequest], bytes | None]) -> Ready:
    """Make what the first statement needs; their wishes are made while the server works on it."""
    return Ready(
        clock.now(),
        ids.new_ids(len(requests)),
        requests,
        [_hash(request) for request in requests],
        [_device(request) for request in requests],
        [payer_of(request) for request in requests],
        [province_of(request.client_ip) for request in requests],
    )


def wishes_of(ready: Ready, seen: Sequence[Standing], page_current: str) -> list[Wish]:
    """The wishes of requests that are ready: `seen` is how the way of each stood a moment ago."""
    return [
        wish_of(request, page_current, stands, payer, device)
        for request, stands, payer, device in zip(ready.requests, seen, ready.payers, ready.devices, strict=True)
    ]


def wish_of(
    request: PlaceRequest, page_current: str, seen: Standing, payer: bytes | None = None, device: UUID | None = None
) -> Wish:
    """The wish behind a request, as policy judges it; `seen` is how the way to pay stood a moment ago, `payer` who will pay."""
    offer, coupon = bonus.ask_of(request)[2:] if bonus.asks(request) else (None, None)
    return Wish(
        request.shop_id, request.user_id, request.amount_fen, request.channel_id, request.method, request.page_version,
        page_current, bank=request.bank, instrument=request.instrument,
        channel_stop=seen.stop, channel_stop_facts=seen.facts,
        device_id=device or _device(request), client_ip=request.client_ip, payer=payer,
        agreement=request.agreement, currency=request.currency,
        goods_id=request.basket.goods_id if request.basket else None, offer=offer, coupon=coupon,
        purchase=request.basket is not None or request.for_goods, notify_door=seen.heard,
        sure_fen=request.sure_fen,
    )  # fmt: skip


def _device(request: PlaceRequest) -> UUID | None:
    return ids.read(request.device_id) if request.device_id else None


def _hash(request: PlaceRequest) -> bytes:
    """What must be the same when a key is used again: the wish itself, not the page or the address it came from."""
    card = f"|{request.bank}|{request.instrument}" if request.bank or request.instrument else ""
    goods = f"|{request.basket}" if request.basket else ""
    gift = f"|{request.offer}|{request.coupon.strip()}" if request.offer is not None or request.coupon.strip() else ""
    return hashlib.sha256(f"{request.amount_fen}|{request.channel_id}|{request.method}{card}{goods}{gift}".encode()).digest()
