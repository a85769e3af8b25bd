"""The only room that opens connections to PostgreSQL."""

from daozhang.postgres.batch import Batch
from daozhang.postgres.pool import Database, OutcomeUnknown, Tx, Unavailable
from daozhang.postgres.statements import Statements, statements

__all__ = ["Batch", "Database", "OutcomeUnknown", "Statements", "Tx", "Unavailable", "statements"]
