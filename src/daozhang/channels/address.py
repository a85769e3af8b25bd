"""Where channels reach us: the program that serves tells it, so that whatever works on the same database names the same place."""

from daozhang.postgres import Database, statements
from daozhang.settings import Settings

sql = statements("daozhang.channels")


async def tell(database: Database, url: str) -> None:
    """Keep the address at which this program serves."""
    await database.transact(lambda tx: tx.value(sql.tell_public_address, url))


async def public_url(database: Database, settings: Settings) -> str:
    """The address that was set here, else the one at which the program serves, else the one at which it would."""
    told: str | None = None if settings.public_url else await database.value(sql.public_address)
    return told or settings.url()
