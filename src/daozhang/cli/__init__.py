"""The command `daozhang`: each command is a thin function that calls into rooms."""

from daozhang.cli.frame import app, run

__all__ = ["app", "run"]
