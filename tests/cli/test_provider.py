"""The commands of providers: one in use for a purpose, its secret said nowhere."""

import secrets
from pathlib import Path

from tests.cli.conftest import Command
from tests.cli.test_server import last_line


def test_a_provider_is_put_in_use_listed_and_ended_and_its_secret_is_said_nowhere(command: Command, tmp_path: Path) -> None:
    secret, file = secrets.token_hex(24), tmp_path / "sms.toml"
    file.write_text(f'purpose = "sms"\napp = "shop-1"\nhost = "https://sms.example.com"\nsecret = "{secret}"\n')
    status, said, wrong = command("provider", "add", str(file), "--json")
    assert (status, last_line(said).get("purpose")) == (0, "sms"), wrong
    status, told, _ = command("provider", "list", "--json")
    (row,) = last_line(told)["providers"]
    assert (row["purpose"], row["app"], row["host"], row["troubles"]) == ("sms", "shop-1", "https://sms.example.com", 0)
    file.write_text(f'purpose = "sms"\napp = "shop-1"\nhost = "https://sms.example.com"\nsecret = "{secret}"\nmore = 1\n')
    status, _, wrong = command("provider", "add", str(file))
    assert (status, secret in said + told + wrong) == (1, False)
    assert command("provider", "off", "sms")[0] == 0
    assert last_line(command("provider", "list", "--json")[1])["providers"] == []
