"""`python -m daozhang` and the command `daozhang`."""


def main() -> None:
    """Run the command line."""
    from daozhang.cli import run

    run()


if __name__ == "__main__":
    main()
