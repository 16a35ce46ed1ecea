"""Reading the vault's rows by candidate."""

from collections.abc import Iterable, Mapping

import asyncpg

from services.signup.vault.epoch_rows import SQL, EpochRows
from services.signup.vault.sealing import SealedIdentity, ThreeBoxes
from shared.postgres.pool import Connection


async def read_identities(
    connection: Connection, candidates: Iterable[str], epochs: EpochRows
) -> Mapping[str, SealedIdentity]:
    """The sealed rows by candidate, in one round trip, and their epochs' keys in memory; whoever was erased is missing."""
    rows = await connection.fetch(SQL["read_identities"], list(dict.fromkeys(candidates)))
    await epochs.know(connection, {row["epoch"] for row in rows})
    return {row["candidate"]: as_identity(row) for row in rows}


def as_identity(row: asyncpg.Record) -> SealedIdentity:
    """A row of `identities`."""
    values = dict(row)
    mail, name, phones = values.pop("mail"), values.pop("name"), values.pop("phones")
    return SealedIdentity(**values, before=ThreeBoxes(mail, name, phones) if values["identity"] is None else None)
