"""The commands of limits and payouts, as a person at a terminal meets them."""

from pathlib import Path

from tests.cli.conftest import Command
from tests.cli.test_server import last_line


def test_limits_are_stated_listed_and_ended(command: Command) -> None:
    status, said, _ = command("limit", "examples", "--json")
    assert status == 0
    loaded = last_line(said)["loaded"]
    status, said, _ = command("limit", "list")
    assert status == 0
    assert said.count("EXAMPLE, not a contract's number") == loaded > 3
    stated = ("limit", "set", "channel", "the contract", "2026-11-01", "--kind", "wechatpay", "--single", "300", "--fee-bp", "60")
    status, said, _ = command(*stated, "--day", "800.50", "--opens", "08:00", "--closes", "22:00", "--json")
    assert status == 0
    limit_id = last_line(said)["id"]
    _, said, _ = command("limit", "list", "--json")
    (row,) = [each for each in last_line(said)["limits"] if each["kind"] == "wechatpay"]
    assert (row["id"], row["single_fen"], row["day_fen"], row["fee_bp"], row["demo"]) == (limit_id, 30_000, 80_050, 60, False)
    status, _, wrong = command("limit", "set", "bank", "nobody", "2026-11-01", "--single", "1")
    assert (status, "limits.malformed" in wrong) == (1, True)
    for amount in ("1e3", "-1", "１"):
        status, _, wrong = command("limit", "set", "ours", "x", "2026-11-01", f"--single={amount}")
        assert (status, "two decimals" in wrong) == (1, True)
    assert command("limit", "end", str(limit_id))[0] == 0
    status, _, wrong = command("limit", "end", str(limit_id))
    assert (status, "limits.unknown" in wrong) == (1, True)


def test_payouts_need_a_name_an_id_and_an_account_from_a_file(command: Command, tmp_path: Path) -> None:
    assert last_line(command("payout", "list", "--json")[1])["payouts"] == []
    unknown = "01a21f4c-7a29-7622-9b52-a052da205c0c"
    status, _, wrong = command("payout", "approve", unknown, "--actor", "ben")
    assert (status, "operation.not_found" in wrong) == (1, True)
    assert command("payout", "approve", "x", "--actor", "ben")[0] == 1
    assert command("payout", "approve", unknown)[0] != 0
    file = tmp_path / "payee.json"
    file.write_text('{"name": "x"}')
    status, _, wrong = command("payout", "propose", "RC-" + "0" * 26, "1", str(file), "x", "--actor", "anna")
    assert (status, '"number"' in wrong) == (1, True)
    file.write_text('{"name": "x", "bank": "工商银行", "number": "622202020001"}')
    order = "RC-" + "01" + "0" * 24
    status, _, wrong = command("payout", "propose", order, "1", str(file), "x", "--actor", "anna")
    assert status == 1
    status, _, wrong = command("order", "keep", unknown, "x", "--actor", "anna")
    assert (status, "operation.not_found" in wrong) == (1, True)
    status, _, wrong = command("order", "unpaid", order, "looked it up", "--actor", "anna")
    assert (status, "there is no such order" in wrong) == (1, True)
    assert command("order", "unpaid", order, "looked it up")[0] != 0
