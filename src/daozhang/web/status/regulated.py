"""What regulation closes where, for everybody: the rows of the policy as the status page and `/v1/channels` tell them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daozhang.policy.regions import name_of
from daozhang.policy.regulation import class_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daozhang.policy.regulation import InForce
    from daozhang.status.history import Report
    from daozhang.web.locale import Locale


@dataclass(frozen=True, slots=True)
class Closed:
    """A row as people read it: where and what is closed, the notice, since and until when, and by whose word."""

    title: str
    text: str
    span: str
    reference: str


def told(row: "InForce", report: "Report", reader: "Locale") -> Closed:
    """A row in words, with the names of the shop's own channels that it closes."""
    names = dict.fromkeys(reader.either(f"kind.{kind}", "kind.other") for kind in _kinds(row, report))
    what = reader.t("regulated.class_all" if row.channel_class == "*" else f"regulated.class_{row.channel_class}")
    if names:
        what = reader.t("regulated.named", what=what, names=reader.t("status.method_join").join(names))
    parts = [name_of(row.region, reader.code), what, *([_goods(row.goods_class, reader)] if row.goods_class != "*" else [])]
    since = reader.t("regulated.since", when=reader.when(row.from_at))
    span = since if row.until_at is None else f"{since} {reader.t('regulated.until', when=reader.when(row.until_at))}"
    text = row.text_en if reader.code == "en" else row.text_zh
    return Closed(" · ".join(parts), text, span, reader.t("regulated.reference", reference=row.reference))


def as_data(rows: "Sequence[InForce]", report: "Report", reader: "Locale") -> list[dict[str, Any]]:
    """The rows for programs."""
    return [
        {
            "id": row.id, "region": row.region, "region_name": name_of(row.region, reader.code), "channel_class": row.channel_class,
            "kinds": _kinds(row, report), "goods_class": row.goods_class, "reference": row.reference,
            "notice": row.text_en if reader.code == "en" else row.text_zh, "in_flight": row.in_flight, "from_at": row.from_at,
            "until_at": row.until_at,
        }
        for row in rows
    ]  # fmt: skip


def _kinds(row: "InForce", report: "Report") -> list[str]:
    """The kinds of the shop's channels that a row closes."""
    classes = row.classes()
    return list(dict.fromkeys(channel.kind for channel in report.channels if class_of(channel.kind) in classes))


def _goods(goods_class: str, reader: "Locale") -> str:
    if goods_class == "wallet":
        return reader.t("regulated.wallet")
    name = reader.t(f"class.{goods_class}") if reader.has(f"class.{goods_class}") else goods_class
    return reader.t("regulated.goods", name=name)
