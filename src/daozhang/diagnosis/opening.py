"""Builds the diagnoses of a shop: what would go now comes from the desk's checks, the live state of channels from the board."""

from collections.abc import Sequence
from uuid import UUID

from daozhang.cases import Cases
from daozhang.diagnosis.read import Now, Reader
from daozhang.diagnosis.service import Diagnoses
from daozhang.postgres import Database
from daozhang.recharge.desk import Desk
from daozhang.recharge.model import Considered
from daozhang.recharge.preflight import Asker
from daozhang.status import Board
from daozhang.vault import Vault


def open_diagnoses(shop_id: int, database: Database, vault: Vault, desk: Desk, board: Board, cases: Cases) -> Diagnoses:
    """The diagnoses of one shop."""

    async def consider(user_id: int, amount_fen: int, besides: Sequence[UUID]) -> Sequence[Considered]:
        return await desk.consider(Asker(shop_id, user_id, desk.page_version), amount_fen, besides)

    return Diagnoses(database, vault, Reader(database, cases, Now(consider, board.now)), cases)
