"""What can be set, and how a setting that makes no sense is refused."""

import pytest

from daozhang.settings import BadSetting, read_settings


def test_nothing_has_to_be_set() -> None:
    settings = read_settings({"DAOZHANG_DATA": "somewhere"})
    assert settings.url() == "http://127.0.0.1:8420"
    assert (settings.database, settings.trusted_proxies, settings.insecure_http, settings.shop_name) == (None, (), False, "")


@pytest.mark.parametrize("name", ["青竹点卡", "Mo's 2. Kiosk", "A-B_c", "到"])
def test_a_shop_has_a_name_that_every_channel_takes(name: str) -> None:
    assert read_settings({"DAOZHANG_SHOP_NAME": name}).shop_name == name


@pytest.mark.parametrize("name", ["a&money=1", "<b>", "a=b", "x/y", " ", "a\nb", "一" * 21, '"', "100%", "a\n"])
def test_a_name_that_a_channel_would_cut_or_refuse_is_refused(name: str) -> None:
    with pytest.raises(BadSetting, match="DAOZHANG_SHOP_NAME"):
        read_settings({"DAOZHANG_SHOP_NAME": name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"), ("PORT", "0"), ("PORT", "-1"), ("PORT", "65536"), ("SIMULATOR_PORT", "99999999999999999999"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,nonsense"), ("INSECURE_HTTP", "perhaps"), ("PUBLIC_URL", "pay.example"),
        ("PUBLIC_URL", "ftp://pay.example"), ("PUBLIC_URL", "https://"), ("PUBLIC_URL", "https://pay.example:70000"),
        ("PUBLIC_URL", "https://[::1"), ("PUBLIC_URL", "https://pay.example/?x=1"), ("PUBLIC_URL", "https://pay.example/a b"),
        ("PUBLIC_URL", "https://pay.example/" + "a" * 200), ("PUBLIC_URL", "https://支付.example"),
    ],
)  # fmt: skip
def test_a_setting_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=f"DAOZHANG_{name}"):
        read_settings({f"DAOZHANG_{name}": value})


@pytest.mark.parametrize("url", ["https://pay.example", "http://127.0.0.1:9000", "https://pay.example/shop/", "http://[::1]:8420"])
def test_an_address_that_people_and_channels_can_open_is_taken(url: str) -> None:
    assert read_settings({"DAOZHANG_PUBLIC_URL": url}).url() == url.rstrip("/")
