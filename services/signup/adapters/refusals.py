"""A person's no to an invitation, in PostgreSQL."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from services.signup.adapters.lapses import lapse
from services.signup.vault.addresses import slow_hash
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import open_identity
from services.signup.vault.secrets import VaultSecrets
from shared.contracts.signup import CandidateLapsedV1
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")


class PostgresRefusals:
    """`ports.Refusals`."""

    def __init__(self, work: Callable[[], AbstractAsyncContextManager[Unit]], secrets: VaultSecrets) -> None:
        self._work = work
        self._secrets = secrets

    async def refuse(self, candidate: str, *, never_again: bool) -> None:
        """The stub lapses, if it is one; with `never_again` no vendor's report invites this mailbox any more."""
        async with self._work() as unit:
            for one in await lapse(unit.connection, [candidate], "refused", unit.at):
                unit.publish(CandidateLapsedV1(candidate=one.candidate, at=unit.at, reason=one.reason))
            row = (await read_identities(unit.connection, [candidate])).get(candidate) if never_again else None
            if row is not None:
                email = open_identity(row, self._secrets.vault_key).mail
                hashed = await asyncio.to_thread(slow_hash, email, self._secrets.blind_index_key)
                await unit.connection.execute(SQL["refuse_invitations"], unit.at, hashed)
