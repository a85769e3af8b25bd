"""The commands of the vault's keys, as a person at a terminal meets them."""

from pathlib import Path

from tests.cli.conftest import Command
from tests.cli.test_server import last_line


def test_another_master_key_takes_over_and_the_old_one_is_put_by(command: Command, tmp_path: Path) -> None:
    assert command("channel", "list")[0] == 0
    (file,) = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and path.name.startswith("master")]
    before = file.read_text()
    status, said, _ = command("key", "master", "--json")
    assert status == 0
    told = last_line(said)
    kept = Path(told["old_kept_at"])
    assert (told["wrapped"] >= 3, kept.read_text(), kept.stat().st_mode & 0o777) == (True, before, 0o600)
    assert file.read_text() != before
    for secret in (before.strip(), file.read_text().strip()):
        assert secret not in said
    assert command("channel", "list")[0] == 0
    file.write_text(before)
    status, _, wrong = command("channel", "list")
    assert (status, "another master key" in wrong, "Traceback" in wrong) == (1, True, False)
    file.unlink()
    status, _, wrong = command("channel", "list")
    assert (status, f"put it back at {file}" in wrong, "Traceback" in wrong) == (1, True, False)


def test_a_data_key_is_drawn_out_of_turn(command: Command) -> None:
    status, said, _ = command("key", "draw", "--json")
    assert status == 0
    assert last_line(said)["begins_at"]
    assert command("channel", "list")[0] == 0
