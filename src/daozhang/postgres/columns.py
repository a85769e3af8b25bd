"""Columns of a batch on their way to a statement: one array per column, and many columns say one thing throughout."""

from collections.abc import Sequence
from typing import TypeVar

Value = TypeVar("Value")


def narrow(column: Sequence[Value]) -> Sequence[Value]:
    """One entry when all of them are the same, else the column as it is.

    The driver spends half a microsecond on each entry of an array; the database's `spread` makes the column whole again for a
    twentieth of that. Only for statements that call `spread`.
    """
    return column[:1] if len(column) > 1 and column.count(column[0]) == len(column) else column
