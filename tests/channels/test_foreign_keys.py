"""Keys of other algorithms are refused by name, and serial numbers that begin with zeros are known in either spelling.

SM2 is common at Chinese banks, and the library that reads our keys does not speak it: what it cannot read is no fault of ours.
"""

import subprocess
from typing import Any

import pytest
from msgspec.structs import replace
from tests.channels.conftest import keys_of

from daozhang import clock
from daozhang.channels.catalogue import KINDS
from daozhang.channels.kinds.wechatpay.ring import KeyRing, NotFetched
from daozhang.channels.kinds.wechatpay.signing import Verifier
from daozhang.channels.port import Invalid
from daozhang.reasons.refusal import Refusal
from daozhang.simulators import merchant as enrolments
from daozhang.simulators.alipay.enrolment import enrol as enrol_alipay
from daozhang.simulators.alipay.station import card_of as alipay_card
from daozhang.simulators.merchant import Enrolment
from daozhang.simulators.unionpay.enrolment import enrol as enrol_unionpay
from daozhang.simulators.unionpay.station import card_of as unionpay_card
from daozhang.simulators.wechatpay.signing import Keyring


@pytest.fixture(scope="module")
def sm2(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A private key, its public key and a certificate of SM2."""
    folder = tmp_path_factory.mktemp("sm2")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl("ecparam", "-genkey", "-name", "SM2", "-noout", "-out", "private")
    openssl("ec", "-in", "private", "-pubout", "-out", "public")
    openssl("req", "-x509", "-new", "-key", "private", "-subj", "/CN=x", "-out", "certificate", "-days", "100", "-sm3")
    return {name: (folder / name).read_text("ascii") for name in ("private", "public", "certificate")}


def wechatpay(enrolment: Enrolment) -> dict[str, Any]:
    keys = keys_of(enrolment.merchant)
    return {name: getattr(keys, name) for name in keys.__struct_fields__}


@pytest.mark.parametrize(
    ("kind", "field", "part"),
    [
        ("wechatpay", "private_key", "private"),
        ("wechatpay", "public_key", "public"),
        ("wechatpay", "platform_certificates", "certificate"),
        ("alipay", "private_key", "private"),
        ("alipay", "alipay_public_key", "public"),
        ("alipay", "app_certificate", "certificate"),
        ("alipay", "alipay_certificate", "certificate"),
        ("unionpay", "private_key", "private"),
        ("unionpay", "root_certificates", "certificate"),
        ("epay", "private_key", "private"),
        ("epay", "platform_public_key", "public"),
    ],
)
def test_cb_04_a_key_of_another_algorithm_is_refused_by_name(
    enrolment: Enrolment, sm2: dict[str, str], kind: str, field: str, part: str
) -> None:
    text = sm2[part]
    given: dict[str, Any] = {
        "wechatpay": lambda: wechatpay(enrolment),
        "alipay": lambda: alipay_card(enrol_alipay().app, "")["keys"],
        "unionpay": lambda: unionpay_card((theirs := enrol_unionpay()), theirs.merchants[0], "")["keys"],
        "epay": lambda: {
            "version": "v2", "type": "alipay", "private_key": enrolment.merchant.private_key,
            "platform_public_key": enrolment.merchant.public_key,
        },
    }[kind]()  # fmt: skip
    given[field] = [text] if field.endswith("certificates") else text
    with pytest.raises(Refusal) as caught:
        KINDS[kind].read_keys(given)
    assert (caught.value.reason, caught.value.facts) == ("channel.malformed", {"field": field})


async def test_a_serial_that_begins_with_zeros_is_known_with_them_and_without(
    enrolment: Enrolment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the channel's own libraries some write the zeros and some do not; one certificate in eight has some."""
    monkeypatch.setattr(enrolments.secrets, "randbelow", lambda _: (1 << 150) - (1 << 156) + 5)
    key, (shown, pem) = enrolments._key_and_certificate("Tenpay.com sign", "Tenpay.com")
    assert shown.startswith("00")
    bare = shown.lstrip("0")
    merchant = replace(enrolment.merchant, platform_certificates={shown: pem})
    signing = Keyring(Enrolment(merchant=merchant, signing_keys={s: enrolments._private_pem(key) for s in (shown, bare)}))
    fixed = keys_of(merchant, public_key_id="", public_key="").verifiers()

    async def none() -> dict[str, Verifier]:
        raise NotFetched

    ring = KeyRing(fixed, none)
    for serial in (shown, bare):
        headers = signing.headers(b"{}", serial, int(clock.now_s()))
        assert await ring.find(headers["Wechatpay-Serial"]) == key.public_key()
    with pytest.raises(Invalid):
        await ring.find(bare[1:])
