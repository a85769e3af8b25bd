"""The payer's phone: one for all channels. It finds the channel a payment is at and hands it what the payer does there."""

from daozhang.simulators.faults import Dial
from daozhang.simulators.station import NotPayable, Payment, Station
from daozhang.simulators.watch import Watch


class Phone:
    """One phone that belongs to whoever a payment is meant for. What each verb means: `station.Hand`."""

    def __init__(self, stations: dict[str, Station], watch: Watch, dial: Dial) -> None:
        self.stations, self._watch, self.dial = stations, watch, dial

    def now_s(self) -> float:
        """The phone's clock is the channels'."""
        return self._watch.now_s()

    def waiting(self, n: int) -> list[Payment]:
        """What can be paid, at whichever channel, the newest first."""
        found = [payment for station in self.stations.values() for payment in station.hand.waiting(n)]
        return sorted(found, key=lambda payment: -payment.created_s)[:n]

    def paid(self, n: int) -> list[Payment]:
        """What was paid, the newest first."""
        found = [payment for station in self.stations.values() for payment in station.hand.paid(n)]
        return sorted(found, key=lambda payment: -(payment.paid_s or 0))[:n]

    def find(self, number: str) -> Payment:
        """A payment by its code or the merchant's number. Raises `NotPayable("unknown")`."""
        return self._found(number)[1]

    def scan(self, text: str) -> str:
        """The code that a QR's text leads to. Raises `NotPayable("unknown")`."""
        for station in self.stations.values():
            code = station.hand.scan(text)
            if code is not None:
                return code
        raise NotPayable("unknown")

    def at(self, payment: Payment) -> Station:
        """The channel a payment is at."""
        return self.stations[payment.kind]

    def see(self, number: str) -> Payment:
        """The phone shows a payment that can be paid; as it is then. Raises `NotPayable`."""
        station, payment = self._found(number)
        station.hand.see(payment.code)
        return station.hand.find(payment.code)

    def pay(
        self, number: str, *, way: str = "", trick: str = "", amount_fen: int | None = None, voucher_fen: int = 0, payer: str = ""
    ) -> Payment:
        """Pay; `payer` is somebody else whose phone does it, where the channel names him.

        Raises `NotPayable`, with `form` for a way, a trick or a payer that the channel does not have.
        """
        station, payment = self._found(number)
        if (way and way not in station.ways) or (trick and trick not in station.tricks) or (payer and payment.kind != "wechatpay"):
            raise NotPayable("form")
        else_whose = {"payer": payer} if payer else {}
        return station.hand.pay(payment.code, way=way, trick=trick, amount_fen=amount_fen, voucher_fen=voucher_fen, **else_whose)

    def decline(self, number: str) -> Payment:
        """The payer taps cancel."""
        station, payment = self._found(number)
        return station.hand.decline(payment.code)

    def leave(self, number: str) -> Payment:
        """The payer walks away."""
        station, payment = self._found(number)
        return station.hand.leave(payment.code)

    def refuse(self, number: str, why: str) -> Payment:
        """The wallet or the bank refuses."""
        station, payment = self._found(number)
        return station.hand.refuse(payment.code, why)

    def _found(self, number: str) -> tuple[Station, Payment]:
        for station in self.stations.values():
            try:
                return station, station.hand.find(number)
            except NotPayable:
                continue
        raise NotPayable("unknown")
