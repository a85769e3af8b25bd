"""The shelf and the announcements from the command line."""

from pathlib import Path

from tests.cli.conftest import Command
from tests.cli.test_server import last_line


def test_a_good_is_put_filled_priced_and_sold(command: Command, tmp_path: Path) -> None:
    status, said, wrong = command("goods", "add", "测试卡", "9.90", "--source", "官方", "--alarm-below", "3", "--json")
    assert status == 0, wrong
    number = str(last_line(said)["id"])
    file = tmp_path / "codes.csv"
    file.write_text("code,batch\nTEST-A,1\nTEST-B,1\n", "utf-8")
    status, said, wrong = command("goods", "fill", number, str(file), "--json")
    assert (status, last_line(said)) == (0, {"added": 2, "known": 0}), wrong
    status, _, wrong = command("goods", "fill", number, str(file))
    assert (status, "goods.codes_twice" in wrong) == (1, True)
    _, said, _ = command("goods", "fill", number, str(file), "--skip-known", "--json")
    assert last_line(said) == {"added": 0, "known": 2}
    assert command("goods", "price", number, "8.80")[0] == 0
    assert command("goods", "alarm", number, "5")[0] == 0
    assert command("goods", "sell", number)[0] == 0
    _, said, _ = command("goods", "list", "--json")
    (good,) = [each for each in last_line(said)["goods"] if each["name"] == "测试卡"]
    assert (good["price_fen"], good["left_count"], good["alarm_below"], good["on_sale"]) == (880, 2, 5, True)


def test_what_must_not_be_sold_is_refused_with_why(command: Command) -> None:
    status, _, wrong = command("goods", "add", "外挂", "9.90", "--source", "x", "--goods-class", "cheat")
    assert (status, "goods.class_forbidden" in wrong) == (1, True)
    status, _, wrong = command(
        "goods", "add", "直充", "9.90", "--source", "x", "--sku", "s", "--target", "phone", "--pattern", "(a+)+"
    )
    assert (status, "goods.pattern" in wrong) == (1, True)


def test_everybody_is_told_and_it_is_taken_back(command: Command) -> None:
    status, said, wrong = command(
        "announce", "add", "停机", "今晚维护", "Down", "Maintenance tonight", "--kind", "change", "--json"
    )
    assert status == 0, wrong
    made = last_line(said)["id"]
    _, said, _ = command("announce", "list")
    assert "停机" in said
    assert command("announce", "withdraw", made)[0] == 0
    status, _, wrong = command("announce", "withdraw", made)
    assert (status, "stands" in wrong) == (1, True)
    assert command("announce", "add", "x", "y", "z", "w", "--begins", "soon")[0] == 1
