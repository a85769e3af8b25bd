"""Every way to fail is met by a user, and its page says what is true: one story per class of native codes and one per check."""

import json
import sys

import pytest

from daozhang.bench.booth import booth
from daozhang.bench.diagnosis import live, score
from daozhang.bench.stories import GROUPS, Seen, Truth, read, stories, wrong
from daozhang.channels.catalogue import KINDS
from daozhang.channels.native_reference import rows_of
from daozhang.policy.checks import CHECKS
from daozhang.proof import prove
from daozhang.reasons import catalogue

STORIES = stories()
CODED = [truth for truth in STORIES.story if truth.outcome and not truth.id.startswith("unmapped")]


def classes() -> set[tuple[str, str, str]]:
    """What the files of native codes can lead to for an order, a query or a refund: the outcome, and the reason of the row."""
    return {
        (GROUPS[on], row["outcome"], row["reason"])
        for kind in KINDS
        for row in rows_of(kind)
        if "unreached" not in row
        for on in row.get("on", ("order",))
        if on in GROUPS
    }


def test_there_is_a_story_for_each_class_of_native_codes_and_for_each_check() -> None:
    told = {truth.native_class for truth in CODED}
    left = {tuple(each.split()) for each in STORIES.left}
    assert told | left == classes()
    assert not told & left
    assert {truth.id.removeprefix("check ") for truth in STORIES.story if truth.at == "check"} == {check.name for check in CHECKS}
    assert len({truth.id for truth in STORIES.story}) == len(STORIES.story)


def test_the_truths_hold_together() -> None:
    for truth in STORIES.story:
        assert truth.layer in {"", *STORIES.words.layer}, truth.id
        assert truth.who in {"", *STORIES.words.who}, truth.id
        assert not truth.reason or truth.reason in catalogue(), truth.id
        # Where nobody told us there is nothing to name but that the channel said no.
        assert truth.told not in ("not_told", "waiting") or truth.reason in ("", "channel.refused_unexplained"), truth.id
        if truth.layer in ("risk", "regulation"):
            assert truth.step in ("", "case", "person", "wallet"), f"{truth.id}: nothing leads around a stop"
    wallets = [truth for truth in STORIES.story if truth.at == "wallet"]
    assert {truth.kind for truth in wallets} == {"wechatpay", "alipay", "epay"}
    assert {(truth.told, truth.reason) for truth in wallets} == {("not_told", "")}


def test_a_page_that_says_more_or_less_than_the_truth_is_wrong() -> None:
    truth = Truth(
        id="x", told="cause", reason="channel.bank_limit", layer="channel", who="time", step="retry", cure="在手机银行查看限制"
    )
    right = Seen(
        200,
        "cause",
        "channel.bank_limit",
        "channel",
        "",
        "到时间会自动恢复",
        "在手机银行查看限制，等次数恢复",
        ("retry",),
        ("支付渠道",),
    )
    assert wrong(truth, right, STORIES.words) == []
    for name, other in (
        ("told", "not_told"), ("reason", "account.payer_balance_short"), ("layer", "account"), ("who", "这件事由我们处理"),
        ("cure", "再试一次"),
        ("steps", ("again", "retry")), ("hit", ("账户",)), ("status", 500),
    ):  # fmt: skip
        assert wrong(truth, Seen(**{**{n: getattr(right, n) for n in Seen.__struct_fields__}, name: other}), STORIES.words), name
    silent = Truth(id="y", told="not_told")
    assert wrong(silent, right, STORIES.words), "a cause where nobody told us"
    assert read(200, "<main><h1>nothing</h1></main>") == Seen(200)


async def test_every_failure_is_explained_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    async with booth(work=False) as shop:
        found = await live(shop, STORIES.story)
        told = score(found)
        with capsys.disabled():
            sys.stdout.write(
                json.dumps({name: told[name] for name in ("name", "figure", "stories", "wrong", "p50_ms", "p95_ms")}) + "\n"
            )
        assert {each.truth.id: each.wrong for each in found if each.wrong} == {}
        assert told["figure"] == 1.0
        assert (await prove(shop.program.database)).ok
