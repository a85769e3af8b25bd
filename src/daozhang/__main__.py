"""`python -m daozhang` and the command `daozhang`."""

import sys

from daozhang.memory import begin_in_huge_pages

LONG = frozenset({"bench", "demo", "serve", "work"})
"""Commands that run long enough for their memory to matter."""


def main() -> None:
    """Run the command line."""
    if LONG.intersection(sys.argv[1:2]):
        begin_in_huge_pages()
    from daozhang.cli import run  # noqa: PLC0415 - the command line is loaded when it is used

    run()


if __name__ == "__main__":
    main()
