"""`python -m daozhang` and the command `daozhang`."""


def main() -> None:
    """Run the command line."""
    from daozhang.cli import run  # noqa: PLC0415 - the command line is loaded when it is used

    run()


if __name__ == "__main__":
    main()
