"""What a topic that was read back says and the gateway's rows don't know, since they came from a backup."""

from pathlib import Path

from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")


async def erased_unheard(unit: Unit, limit: int) -> list[str]:
    """Of the people whom `erasures` has, some whose erasure no row knows."""
    return [row["candidate"] for row in await unit.connection.fetch(SQL["erased_unheard"], limit)]
