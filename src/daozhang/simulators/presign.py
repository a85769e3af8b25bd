"""Payment callbacks of WeChat Pay signed ahead of time, so that a load generator spends its time on sending and not on RSA.

`python -m daozhang.simulators.presign --enrolment FILE --payments FILE --out FILE`: one JSON object a line in both, in
`{"out_trade_no", "amount_fen"}`, out `{"headers", "body", "out_trade_no", "transaction_id"}`. With `--count N` instead of
`--payments`, N order numbers nobody placed. A signature is good for 300 seconds. One core signs about 2,500 a second.
"""

import argparse
import multiprocessing
import secrets
import sys
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec

from daozhang import clock
from daozhang.simulators.merchant import Enrolment, load_enrolment
from daozhang.simulators.watch import digits, rfc3339
from daozhang.simulators.wechatpay import orders
from daozhang.simulators.wechatpay.books import Notice, Order
from daozhang.simulators.wechatpay.hand import payer_of
from daozhang.simulators.wechatpay.messages import envelope
from daozhang.simulators.wechatpay.signing import Keyring

_SLICE = 500


class Payment(msgspec.Struct, frozen=True):
    """What was paid: the merchant's number, the amount in fen, and who paid (default: the merchant's usual payer)."""

    out_trade_no: str
    amount_fen: int
    payer: str = ""


class Presigned(msgspec.Struct, frozen=True):
    """A callback ready to be posted as it is."""

    out_trade_no: str
    transaction_id: str
    headers: dict[str, str]
    body: str


def presign(enrolment: Enrolment, payments: Iterable[Payment], *, serial: str = "") -> Iterator[Presigned]:
    """Sign one callback per payment, now, with the key `serial` (default: the newest platform certificate, else the public key)."""
    keyring = Keyring(enrolment)
    serial = serial or keyring.default_serial()
    for payment in payments:
        now_s = clock.now_s()
        order = _paid(keyring, payment, now_s)
        plain = msgspec.json.encode(orders.told(order)).decode()
        notice = Notice(
            str(uuid.uuid4()), order.mchid, order.out_trade_no, "TRANSACTION.SUCCESS", "", "v3", plain, now_s, 0, None, "sending", 0
        )
        body = envelope(keyring, notice, rfc3339(now_s))
        headers = {"Content-Type": "application/json", "User-Agent": "Mozilla/4.0"} | keyring.headers(body, serial, int(now_s))
        yield Presigned(order.out_trade_no, order.transaction_id or "", headers, body.decode())


def presign_many(enrolment: Enrolment, payments: list[Payment], *, jobs: int = 2) -> list[Presigned]:
    """The same over several processes, in order."""
    if jobs <= 1 or len(payments) <= _SLICE:
        return list(presign(enrolment, payments))
    slices = [(enrolment, payments[at : at + _SLICE]) for at in range(0, len(payments), _SLICE)]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        return [each for part in pool.map(_presign_slice, slices) for each in part]


def main() -> int:
    """The command of this module's docstring. Exit code 2 when a file cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m daozhang.simulators.presign", description=__doc__)
    parser.add_argument("--enrolment", type=Path, required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--payments", type=Path)
    what.add_argument("--count", type=int)
    parser.add_argument("--amount-fen", type=int, default=5_000)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    try:
        enrolment = load_enrolment(options.enrolment)
        if options.payments:
            payments = [
                msgspec.json.decode(line, type=Payment) for line in options.payments.read_bytes().splitlines() if line.strip()
            ]
        else:
            payments = [Payment(secrets.token_hex(13).upper(), options.amount_fen) for _ in range(options.count)]
    except (OSError, msgspec.DecodeError) as error:
        sys.stderr.write(f"presign: {error}\n")
        return 2
    with options.out.open("wb") as file:
        for each in presign_many(enrolment, payments, jobs=options.jobs):
            file.write(msgspec.json.encode(each) + b"\n")
    return 0


def _presign_slice(task: tuple[Enrolment, list[Payment]]) -> list[Presigned]:
    return list(presign(*task))


def _paid(keyring: Keyring, payment: Payment, now_s: float) -> Order:
    merchant = keyring.merchant
    return Order(
        mchid=merchant.mchid,
        out_trade_no=payment.out_trade_no,
        appid=merchant.appid,
        product="native",
        description="",
        attach="",
        total_fen=payment.amount_fen,
        notify_url="",
        openid="",
        client_ip="",
        fingerprint="",
        created_s=now_s,
        expires_s=now_s,
        code="",
        prepay_id="",
        state="SUCCESS",
        transaction_id=f"42000{secrets.randbelow(10**5):05d}{digits(now_s)[:8]}{secrets.randbelow(10**10):010d}",
        charged_fen=payment.amount_fen,
        paid_s=now_s,
        bank_type="OTHERS",
        payer=payment.payer or payer_of(merchant.appid),
        refunded_fen=0,
        voucher_fen=0,
        phone="",
    )


if __name__ == "__main__":
    raise SystemExit(main())
