"""Reading the vault's rows by candidate."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from services.signup.vault.sealing import SealedIdentity
from shared.postgres.pool import Connection
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")


async def read_identities(connection: Connection, candidates: Iterable[str]) -> Mapping[str, SealedIdentity]:
    """The sealed rows by candidate, in one round trip; whoever was erased is missing."""
    rows = await connection.fetch(SQL["read_identities"], list(dict.fromkeys(candidates)))
    return {row["candidate"]: SealedIdentity(**dict(row)) for row in rows}
