"""A port for a program that has to be told one before it starts."""

import random
import socket
from pathlib import Path

_LOWEST = 10_000
_SYSTEMS_OWN = Path("/proc/sys/net/ipv4/ip_local_port_range")
_RANDOM = random.SystemRandom()


def free_port() -> int:
    """A port of loopback on which nobody listens.

    It is none that the system gives away by itself: whoever asks for any port, or calls out, gets one of those, and would get this
    one in the time that the program takes to start.
    """
    below = _first_of_the_system()
    for _ in range(100):
        port = _RANDOM.randrange(_LOWEST, below) if below > _LOWEST else 0
        try:
            with socket.create_server(("127.0.0.1", port)) as listener:
                free: int = listener.getsockname()[1]
                return free
        except OSError:
            continue
    raise OSError(f"no port below {below} is free")


def _first_of_the_system() -> int:
    try:
        return int(_SYSTEMS_OWN.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 0
