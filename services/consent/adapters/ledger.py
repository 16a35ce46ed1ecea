"""Whose the ledger is."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from services.consent.adapters.links import SQL
from shared.messaging.errors import FatalError
from shared.postgres.pool import Pool

_CAN = (
    "this process could rewrite the ledger: its role in PostgreSQL owns the table or the database, or may change rows. "
    "Run deploy/compose/postgres/10-databases.sh once as an administrator of PostgreSQL (docs/running.md, The owner of the "
    "ledger), then start again"
)


@asynccontextmanager
async def out_of_reach(pool: Callable[[], Pool]) -> AsyncIterator[None]:
    """Lets the service start only where its role can add to the ledger and can't rewrite it; FatalError says what to do."""
    if await pool().fetchval(SQL["ledger_can_be_rewritten"]):
        raise FatalError(_CAN)
    yield
