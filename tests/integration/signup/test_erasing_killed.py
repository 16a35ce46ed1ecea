"""Killed at every step of an erasure: before its commit nothing has happened, after it everything."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from services.signup.adapters.certificates import PostgresErasing
from services.signup.adapters.erasures import SERVICES
from tests.integration.signup.conftest import Edge, emails_of
from tests.integration.signup.test_erasing import confirmed
from tests.integration.signup.test_story import EPOCHS, SECRETS

_STATEMENT: Any = vars(asyncpg.Connection)["_execute"]
_COMMAND = asyncpg.Connection.execute
_MOST = 60


class KilledError(Exception):
    """The process is no more."""


@contextmanager
def killed_before(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The connection breaks off, as the kernel closes it for a process that is killed, before its so-and-so-many-th command."""
    left = step

    def count(connection: asyncpg.Connection) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            connection.terminate()
        if left <= 0:
            raise KilledError

    async def statement(self: asyncpg.Connection, *given: Any, **more: Any) -> Any:
        count(self)
        return await _STATEMENT(self, *given, **more)

    async def command(self: asyncpg.Connection, query: str, *given: Any, **more: Any) -> Any:
        if not given:
            count(self)
        return await _COMMAND(self, query, *given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "_execute", statement)
        patched.setattr(asyncpg.Connection, "execute", command)
        yield


async def what_is_there(edge: Edge, candidate: str) -> tuple[int, ...]:
    """Rows of the person, of their erasure, of what is owed, and what leaves."""
    counts = [
        await edge.pool.fetchval(f"SELECT count(*) FROM {table} WHERE candidate::text = $1", candidate)
        for table in ("candidates", "identities", "claims", "erased", "erasure_requests", "erasures_outstanding")
    ]
    counts.append(await edge.pool.fetchval("SELECT count(*) FROM outbox WHERE topic = 'erasures'"))
    counts.append(await edge.pool.fetchval("SELECT count(*) FROM invitations WHERE refused_at IS NOT NULL"))
    return tuple(counts)


async def test_an_erasure_that_is_killed_has_happened_whole_or_not_at_all_and_can_be_asked_for_again(
    edge: Edge, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = await confirmed(edge, http)
    erasing = PostgresErasing(edge.work, SECRETS, EPOCHS, emails_of(edge).hashed_old)
    nothing, whole = (1, 1, 1, 0, 0, 0, 0, 0), (0, 0, 0, 1, 1, len(SERVICES), 1, 1)
    assert await what_is_there(edge, candidate) == nothing
    for step in range(1, _MOST):
        try:
            with killed_before(step, monkeypatch):
                await erasing.erase(candidate)
        except (KilledError, asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError):
            assert await what_is_there(edge, candidate) == nothing, step
        else:
            break
    assert 8 < step < _MOST - 1, "it was killed before each of its commands"
    assert await what_is_there(edge, candidate) == whole
    again = await erasing.erase(candidate)
    assert again is not None, "whoever was killed before they could answer answers now"
    assert await what_is_there(edge, candidate) == whole
