"""Channels as rows: added without being enabled, refused when weak, taken up by every process, and met with two keys at once."""

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.channels.conftest import wish
from tests.patience import until

from daozhang.channels import console
from daozhang.channels.console import NewKeys
from daozhang.channels.port import Outcome
from daozhang.channels.registry import Registry
from daozhang.events.interface_log import InterfaceLog
from daozhang.ids import parse26
from daozhang.postgres import Database, Unavailable
from daozhang.reasons.refusal import Refusal
from daozhang.settings import Settings
from daozhang.simulators.merchant import Enrolment, Merchant, enrol
from daozhang.simulators.simulator import Simulator
from daozhang.vault import Vault


@pytest.fixture
async def vault(database: Database, settings: Settings) -> Vault:
    return await Vault.open(database, settings)


@pytest.fixture
async def registry(database: Database, vault: Vault, settings: Settings) -> AsyncIterator[Registry]:
    made = Registry(database, vault, settings)
    yield made
    await made.close()


def raw_keys(merchant: Merchant) -> dict[str, object]:
    return {
        "serial_no": merchant.serial_no,
        "private_key": merchant.private_key,
        "api_v3_key": merchant.api_v3_key,
        "platform_certificates": list(merchant.platform_certificates.values()),
        "public_key_id": merchant.public_key_id,
        "public_key": merchant.public_key,
    }


def wanted(merchant: Merchant, /, **changes: object) -> console.ChannelSettings:
    values = {"kind": "wechatpay", "merchant": merchant.mchid, "app": merchant.appid, "keys": raw_keys(merchant)} | changes
    return console.read_channel(msgspec.json.encode(values))


async def refusal(awaitable) -> tuple[str, dict[str, object]]:
    with pytest.raises(Refusal) as caught:
        await awaitable
    return caught.value.reason, caught.value.facts


async def test_a_channel_is_added_disabled_and_taken_up_when_enabled(
    database, vault, settings, registry, enrolment: Enrolment
) -> None:
    channel_id = await console.add(database, vault, settings, wanted(enrolment.merchant, name="微信支付"))
    await registry.load()
    channel = registry.get(channel_id)
    assert channel is not None
    assert registry.enabled() == []
    await console.enable(database, vault, settings, channel_id)
    await registry.load()
    (row,) = registry.enabled(1)
    assert (row.id, row.name, row.methods, row.notify_path()) == (
        channel_id,
        "微信支付",
        ("native", "h5", "jsapi"),
        f"/notify/wechatpay/{channel_id}",
    )
    assert registry.enabled(2) == []
    await console.enable(database, vault, settings, channel_id, enabled=False)
    await registry.load()
    assert registry.enabled() == []
    # Money that is under way at a disabled channel must still be met.
    assert registry.get(channel_id) is not None
    assert registry.row(channel_id).enabled is False


async def test_keys_are_sealed_in_the_database(database, vault, settings, enrolment: Enrolment) -> None:
    await console.add(database, vault, settings, wanted(enrolment.merchant))
    rows = await database.rows("select * from channels natural left join channel_keys")
    stored = str([dict(row) for row in rows]) + str(
        [bytes(row["sealed"]) for row in await database.rows("select sealed from channel_keys")]
    )
    for secret in (enrolment.merchant.api_v3_key, enrolment.merchant.private_key.splitlines()[5]):
        assert secret not in stored
    assert enrolment.merchant.api_v3_key not in repr(wanted(enrolment.merchant))


def pem(key: object) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"api_v3_key": ""}, "channel.incomplete", "api_v3_key"),
        ({"api_v3_key": "changeme"}, "channel.secret_weak", "api_v3_key"),
        ({"api_v3_key": "1" * 32}, "channel.secret_weak", "api_v3_key"),
        ({"api_v3_key": None}, "channel.malformed", "api_v3_key"),
        ({"private_key": ""}, "channel.incomplete", "private_key"),
        ({"private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}, "channel.malformed", "private_key"),
        ({"private_key": lambda: pem(ec.generate_private_key(ec.SECP256R1()))}, "channel.malformed", "private_key"),
        (
            {"private_key": lambda: pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))},
            "channel.secret_weak",
            "private_key",
        ),
        ({"serial_no": "not hex"}, "channel.malformed", "serial_no"),
        ({"public_key": ""}, "channel.incomplete", "public_key"),
        ({"public_key_id": ""}, "channel.incomplete", "public_key_id"),
        ({"public_key_id": "KEY_1"}, "channel.malformed", "public_key_id"),
        ({"public_key": "nonsense"}, "channel.malformed", "public_key"),
        ({"platform_certificates": ["nonsense"]}, "channel.malformed", "platform_certificates"),
        ({"surprise": "x"}, "channel.malformed", "surprise"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_cb_04_weak_or_broken_keys_are_refused_by_name(database, vault, settings, enrolment, change, reason, field) -> None:
    keys = raw_keys(enrolment.merchant) | {name: value() if callable(value) else value for name, value in change.items()}
    assert await refusal(console.add(database, vault, settings, wanted(enrolment.merchant, keys=keys))) == (
        reason,
        {"field": field},
    )
    assert await database.value("select count(*) from channels") == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "paypal"}, "channel.malformed"),
        ({"methods": ["native", "native"]}, "channel.malformed"),
        ({"methods": ["card"]}, "channel.malformed"),
        ({"merchant": "1 or 1=1"}, "channel.malformed"),
        ({"app": ""}, "channel.malformed"),
        ({"name": "x" * 65}, "channel.malformed"),
        ({"name": "a\nb"}, "channel.malformed"),
        ({"hosts": ["http://169.254.169.254"]}, "channel.host_forbidden"),
        ({"hosts": ["http://api.mch.weixin.qq.com"]}, "channel.host_forbidden"),
    ],
)
async def test_settings_that_make_no_sense_are_refused(database, vault, settings, enrolment, change, reason) -> None:
    assert (await refusal(console.add(database, vault, settings, wanted(enrolment.merchant, **change))))[0] == reason


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1:8421", "https://localhost", "https://api.weixin.evil.example", "https://10.0.0.1"]
)
async def test_in_07_a_real_shop_points_only_at_the_channels_own_hosts(database, vault, settings, enrolment, host: str) -> None:
    real = msgspec.structs.replace(settings, test_mode=False)
    assert await refusal(console.add(database, vault, real, wanted(enrolment.merchant, hosts=[host]))) == (
        "channel.host_forbidden",
        {"host": host},
    )


@pytest.mark.parametrize("text", [b"", b"{", b"kind = ", b"[]", b'{"kind": 5}', b"\xff\xfe", b"x" * 300_000, b'{"a":' * 5_000])
def test_a_settings_file_that_cannot_be_read(text: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        console.read_channel(text)
    assert caught.value.reason == "channel.malformed"


def test_a_settings_file_may_be_toml() -> None:
    text = 'kind = "wechatpay"\nmerchant = "1900000001"\napp = "wx1"\nmethods = ["native"]\n[keys]\nserial_no = "AB"\n'
    assert console.read_channel(text).keys == tomllib.loads(text)["keys"]


async def test_the_same_merchant_account_is_one_channel(database, vault, settings, enrolment) -> None:
    await console.add(database, vault, settings, wanted(enrolment.merchant))
    assert (await refusal(console.add(database, vault, settings, wanted(enrolment.merchant))))[0] == "channel.exists"


async def test_cb_04_the_database_itself_refuses_to_enable_a_channel_without_keys(
    database, owner_database, vault, settings, enrolment
) -> None:
    channel_id = await console.add(database, vault, settings, wanted(enrolment.merchant))
    await console.enable(database, vault, settings, channel_id)
    with pytest.raises(Exception, match="last key"):
        await database.transact(lambda tx: tx.run("update channel_keys set retired_at = clock_now()"))
    await console.enable(database, vault, settings, channel_id, enabled=False)
    await database.transact(lambda tx: tx.run("update channel_keys set retired_at = clock_now()"))
    with pytest.raises(Exception, match="has no key"):
        await database.transact(lambda tx: tx.run("update channels set enabled = true"))
    assert await refusal(console.enable(database, vault, settings, channel_id)) == ("channel.incomplete", {"field": "keys"})


async def test_cb_04_a_channel_whose_keys_do_not_open_has_no_door(
    database, owner_database, vault, settings, registry, enrolment
) -> None:
    channel_id = await console.add(database, vault, settings, wanted(enrolment.merchant))
    await owner_database.transact(
        lambda tx: tx.run("update channel_keys set sealed = set_byte(sealed, 60, get_byte(sealed, 60) # 1)")
    )
    await registry.load()
    assert registry.get(channel_id) is None
    assert registry.enabled() == []


async def test_new_keys_overlap_with_the_old_until_these_are_retired(database, vault, settings, registry, enrolment) -> None:
    channel_id = await console.add(database, vault, settings, wanted(enrolment.merchant))
    newer = enrol(enrolment.merchant.mchid, enrolment.merchant.appid).merchant
    assert await console.rotate(database, vault, channel_id, NewKeys(raw_keys(newer))) == (2, True)
    await registry.load()
    channel = registry.get(channel_id)
    assert len(channel._ciphers) == 2
    assert set(channel._ring._fixed) >= {*enrolment.merchant.platform_certificates, *newer.platform_certificates}
    assert channel._signer.serial == newer.serial_no
    assert [entry.keys for entry in await console.listed(database)] == [2]
    assert await console.retire(database, channel_id, 2) == 1
    await registry.load()
    assert registry.get(channel_id) is not channel
    assert len(registry.get(channel_id)._ciphers) == 1
    assert await console.retire(database, channel_id, 99) == 0


async def test_bad_new_keys_change_nothing(database, vault, enrolment, settings) -> None:
    channel_id = await console.add(database, vault, settings, wanted(enrolment.merchant))
    assert (await refusal(console.rotate(database, vault, channel_id, NewKeys({"serial_no": "AB"}))))[0] == "channel.malformed"
    assert (await refusal(console.rotate(database, vault, 999, NewKeys(raw_keys(enrolment.merchant)))))[0] == "channel.unknown"
    assert await database.value("select count(*) from channel_keys") == 1


async def test_the_same_keys_are_no_new_ones_and_anothers_are_refused(database, vault, enrolment, settings) -> None:
    channel_id, keys = await console.add(database, vault, settings, wanted(enrolment.merchant)), raw_keys(enrolment.merchant)
    assert await console.rotate(database, vault, channel_id, NewKeys(keys)) == (1, False)
    for file in (NewKeys(keys, kind="alipay"), NewKeys(keys, merchant="1900000999"), NewKeys(keys, app="wx0")):
        assert (await refusal(console.rotate(database, vault, channel_id, file)))[0] == "channel.keys_of_another"
    assert await database.value("select count(*) from channel_keys") == 1


async def test_no_valid_key_is_passed_over_in_silence(database, vault, enrolment, settings) -> None:
    channel_id, keys = await console.add(database, vault, settings, wanted(enrolment.merchant)), raw_keys(enrolment.merchant)

    def letters(number: int) -> NewKeys:
        return NewKeys(keys | {"api_v3_key": f"{number}bcdefgh" * 4})

    for number in range(2, console.MOST_VERSIONS + 1):
        assert await console.rotate(database, vault, channel_id, letters(number)) == (number, True)
    assert await refusal(console.rotate(database, vault, channel_id, letters(9))) == ("channel.keys_many", {"count": 8})
    assert await console.retire(database, channel_id, 3) == 2
    assert await console.rotate(database, vault, channel_id, letters(9)) == (9, True)


async def test_new_keys_come_in_any_shape_of_a_settings_file(enrolment) -> None:
    keys = {"serial_no": "AB12", "private_key": "text"}
    bare = 'serial_no = "AB12"\nprivate_key = "text"\n'
    for text in (bare, f"[keys]\n{bare}", json.dumps(keys), json.dumps({"keys": keys})):
        assert console.read_new_keys(text) == NewKeys(keys)
    whole = f'kind = "wechatpay"\nmerchant = "1900"\napp = "wx1"\n[keys]\n{bare}'
    assert console.read_new_keys(whole) == NewKeys(keys, "wechatpay", "1900", "wx1")
    files = ("", "[1, 2]", '{"a": ', "{}")
    for bad, field in (*((text, "file") for text in files), ("[keys]", "keys"), ("keys = 3", "keys")):
        with pytest.raises(Refusal) as caught:
            console.read_new_keys(bad)
        assert caught.value.facts == {"field": field}
    assert "text" not in repr(console.read_new_keys(bare))


async def test_nf_07_another_process_hears_of_a_change_within_seconds(database, vault, settings, registry, enrolment) -> None:
    await registry.load()
    watching = asyncio.create_task(registry.watch())
    channel_id = await console.add(database, vault, settings, wanted(enrolment.merchant))
    await console.enable(database, vault, settings, channel_id)
    await until(lambda: bool(registry.enabled()))
    watching.cancel()
    assert [row.id for row in registry.enabled()] == [channel_id]


async def test_an_order_through_the_registry_is_in_the_interface_log_by_attempt(database, vault, settings, enrolment) -> None:
    log = InterfaceLog(database)
    registry = Registry(database, vault, settings, log.record)
    async with Simulator(enrolment=enrolment) as sim:
        channel_id = await console.add(database, vault, settings, wanted(enrolment.merchant, hosts=[sim.url]))
        await registry.load()
        order = wish(method="jsapi")
        assert (await registry.get(channel_id).order(order)).outcome is Outcome.SUCCESS
        await registry.close()
    await log.drain()
    (entry,) = await log.of_channel(channel_id)
    assert (entry.attempt_id, entry.operation, entry.status, entry.result) == (
        parse26(order.out_trade_no),
        "order",
        200,
        "answered",
    )
    assert entry.trace
    assert order.payer_openid not in entry.request + entry.response
    assert "signature=" not in entry.request
    assert '"total":5000' in entry.request


async def test_a_channel_is_pointed_elsewhere_and_taken_up_anew(database, vault, settings, registry, enrolment) -> None:
    channel_id = await console.add(database, vault, settings, wanted(enrolment.merchant))
    await registry.load()
    before = registry.get(channel_id)
    await console.point(database, settings, channel_id, ("http://127.0.0.1:9",))
    await registry.load()
    assert registry.row(channel_id).hosts == ("http://127.0.0.1:9",)
    assert registry.get(channel_id) is not before
    assert (await refusal(console.point(database, settings, channel_id, ("http://10.0.0.1",))))[0] == "channel.host_forbidden"
    assert (await refusal(console.point(database, settings, 999, ())))[0] == "channel.unknown"
    await console.point(database, settings, channel_id, ())
    await registry.load()
    assert registry.row(channel_id).hosts == ("https://api.mch.weixin.qq.com", "https://api2.mch.weixin.qq.com")


async def test_a_database_that_is_away_takes_no_door_away(database, vault, settings, registry, enrolment, monkeypatch) -> None:
    channel_id = await console.add(database, vault, settings, wanted(enrolment.merchant))
    await registry.load()
    before = registry.get(channel_id)
    await console.enable(database, vault, settings, channel_id)

    async def away(row: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(registry, "_make", away)
        with pytest.raises(Unavailable):
            await registry.load()
    assert registry.get(channel_id) is before
    await registry.load()
    assert [row.id for row in registry.enabled()] == [channel_id]


def operator(**changes: object) -> console.ChannelSettings:
    """A channel of a kind whose hosts are the operator's own; merchant numbers there are short."""
    keys = {"version": "v1", "type": "alipay", "key": "k3yQ7wErTy9uIoP1aSdF5gHjKl2zXcVb"}
    values = {
        "kind": "epay",
        "merchant": "1001",
        "app": "alipay",
        "keys": keys,
        "hosts": ["https://pay.operator.example"],
    } | changes
    return console.read_channel(msgspec.json.encode(values))


async def test_an_operators_channel_brings_its_own_public_host(database, vault, settings, registry) -> None:
    real = msgspec.structs.replace(settings, test_mode=False)
    assert await refusal(console.add(database, vault, real, operator(hosts=[]))) == ("channel.incomplete", {"field": "hosts"})
    channel_id = await console.add(database, vault, real, operator())
    await console.enable(database, vault, real, channel_id)
    assert await refusal(console.point(database, real, channel_id, ())) == ("channel.incomplete", {"field": "hosts"})
    # The same number at another operator is another merchant, told apart by the label.
    await console.add(database, vault, real, operator(app="alipayB", hosts=["https://pay.other.example"]))
    await registry.load()
    assert registry.row(channel_id).notify_path() == f"/notify/epay/{channel_id}"


@pytest.mark.parametrize(
    "host",
    ["http://pay.operator.example", "https://10.0.0.1", "https://127.0.0.1", "https://localhost", "https://intranet",
     "https://pay.operator.example:8443", "https://pay.operator.example/epay", "https://u@pay.operator.example", "https://0x7f.1",
     "file:///etc/passwd", "https://[::1]", "https://pay.operator.example?x=1"],
)  # fmt: skip
async def test_in_07_an_operators_host_is_https_by_name_and_nothing_else(database, vault, settings, host: str) -> None:
    real = msgspec.structs.replace(settings, test_mode=False)
    assert await refusal(console.add(database, vault, real, operator(hosts=[host]))) == ("channel.host_forbidden", {"host": host})
