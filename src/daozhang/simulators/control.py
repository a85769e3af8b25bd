"""The dial's doors over HTTP, for tests, the chaos run and the bench: JSON in, JSON out.

`POST /dial` sets a fault (the fields of `Fault`), `GET /dial` lists, `DELETE /dial` clears; `POST /dial/clock` `{"offset_s"}`;
`POST /dial/habits` (fields of `Habits`); `POST /dial/pay` `{"number", "trick"?, "amount_fen"?, "way"?, "payer"?}` pays without a
page; `POST /dial/wake` makes every waiting callback due; `GET /books` sums by kind; `GET /books/order?number=`; `GET /healthz`.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from daozhang.simulators.faults import BadFault, Fault
from daozhang.simulators.habits import Habits
from daozhang.simulators.station import NotPayable, Payment
from daozhang.simulators.wire import Answer, Receive, Scope, Send, TooLarge, read, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from daozhang.simulators.simulator import Simulator


class _Wish(msgspec.Struct, forbid_unknown_fields=True):
    number: str
    trick: str = ""
    way: str = ""
    amount_fen: int | None = None
    voucher_fen: int = 0
    payer: str = ""


class _Clock(msgspec.Struct, forbid_unknown_fields=True):
    offset_s: float


class Control:
    """Answers `/dial`, `/books` and `/healthz` of one simulator."""

    def __init__(self, simulator: "Simulator") -> None:
        self._sim = simulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Web pages of other sites cannot reach it: only application/json is read, and no origin is welcome."""
        try:
            body = await read(receive)
            headers = dict(scope["headers"])
            foreign = scope["method"] in ("POST", "DELETE") and (
                b"origin" in headers or (body and not headers.get(b"content-type", b"").startswith(b"application/json"))
            )
            result = (403, {"error": "foreign"}) if foreign else self._answer(scope, body)
        except (msgspec.ValidationError, msgspec.DecodeError, BadFault) as error:
            result = (400, {"error": str(error)})
        except NotPayable as error:
            result = (409, {"error": error.word})
        except TooLarge:
            result = (413, {"error": "too large"})
        except ConnectionError:
            return
        status, content = result
        await write(send, Answer(status, msgspec.json.encode(content), {"Content-Type": "application/json"}))

    def _answer(self, scope: Scope, body: bytes) -> tuple[int, Any]:
        doors: dict[tuple[str, str], Callable[[], tuple[int, Any]]] = {
            ("GET", "/healthz"): lambda: (200, {"ok": True}),
            ("GET", "/dial"): lambda: (200, self._sim.dial.waiting()),
            ("POST", "/dial"): lambda: (201, self._sim.dial.set(msgspec.json.decode(body, type=Fault))),
            ("DELETE", "/dial"): lambda: (200, self._clear()),
            ("POST", "/dial/clock"): lambda: (200, self._set_clock(msgspec.json.decode(body, type=_Clock))),
            ("POST", "/dial/habits"): lambda: (200, self._change_habits(body)),
            ("POST", "/dial/pay"): lambda: (200, self._pay(msgspec.json.decode(body, type=_Wish))),
            ("POST", "/dial/wake"): lambda: (200, self._wake()),
            ("GET", "/books"): lambda: (200, self._sums()),
            ("GET", "/books/order"): lambda: (200, self._story(_number(scope))),
        }
        door = doors.get((scope["method"], scope["path"]))
        return door() if door is not None else (404, {"error": "unknown"})

    def _clear(self) -> dict[str, str]:
        self._sim.dial.clear()
        return {}

    def _set_clock(self, wanted: _Clock) -> dict[str, str]:
        self._sim.watch.offset_s = wanted.offset_s
        self._sim.look()
        return {"now": self._sim.watch.now().isoformat()}

    def _pay(self, wish: _Wish) -> Payment:
        return self._sim.phone.pay(
            wish.number, way=wish.way, trick=wish.trick, amount_fen=wish.amount_fen, voucher_fen=wish.voucher_fen, payer=wish.payer
        )

    def _wake(self) -> dict[str, str]:
        for station in self._sim.stations.values():
            station.wake()
        return {}

    def _change_habits(self, body: bytes) -> Habits:
        """Only the named fields change; the whole is checked before any of it counts."""
        habits = self._sim.habits
        changes = msgspec.json.decode(body, type=dict[str, Any])
        checked = msgspec.convert(msgspec.to_builtins(habits) | changes, Habits, strict=True)
        for name in Habits.__struct_fields__:
            setattr(habits, name, getattr(checked, name))
        self._sim.look()
        return habits

    def _sums(self) -> dict[str, Any]:
        return {kind: station.sums() for kind, station in self._sim.stations.items()}

    def _story(self, number: str) -> dict[str, Any]:
        payment = self._sim.phone.find(number)
        return self._sim.phone.at(payment).story(payment.code)


def _number(scope: Scope) -> str:
    query: bytes = scope["query_string"]
    return (parse_qs(query.decode("latin-1")).get("number") or [""])[0]
