"""Where money is. Double entry: transfers of signed postings between accounts; balances move by postings and by nothing else."""

from daozhang.ledger.accounts import Accounts
from daozhang.ledger.post import Line, Transfer, post

__all__ = ["Accounts", "Line", "Transfer", "post"]
