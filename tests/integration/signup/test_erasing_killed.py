"""Killed at every step of an erasure: before its commit nothing has happened, after it everything."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from services.signup.adapters.certificates import PostgresErasing
from services.signup.adapters.erasures import SERVICES
from services.signup.decisions.certificates import KIND
from shared.contracts.base import rfc3339
from shared.security.documents import DocumentReader
from tests.fakes.clock import NOON
from tests.integration.signup.conftest import Edge, emails_of
from tests.integration.signup.test_erasing import SIGNER, confirmed, erase, sweep
from tests.integration.signup.test_erasing import face as eraser
from tests.integration.signup.test_story import EPOCHS, SECRETS
from tests.killing import KILLED, killed_before

__all__ = ["eraser"]
_MOST = 60


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
        except KILLED:
            assert await what_is_there(edge, candidate) == nothing, step
        else:
            break
    assert 8 < step < _MOST - 1, "it was killed before each of its commands"
    assert await what_is_there(edge, candidate) == whole
    again = await erasing.erase(candidate)
    assert again is not None, "whoever was killed before they could answer answers now"
    assert await what_is_there(edge, candidate) == whole


async def test_killed_at_the_last_services_word_the_certificate_is_unsigned_still_and_then_the_same_one_for_good(
    edge: Edge, http: httpx.AsyncClient, eraser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = await confirmed(edge, http)
    address = (await erase(eraser, candidate))["certificate"]
    await sweep(edge, candidate, *(one for one in SERVICES if one != "outreach_gateway"))
    waiting = (await eraser.get(address)).json()
    for step in range(1, _MOST):
        try:
            with killed_before(step, monkeypatch):
                await sweep(edge, candidate, "outreach_gateway")
        except KILLED:
            assert (await eraser.get(address)).json() == waiting, step
        else:
            break
    assert 2 < step < _MOST - 1, "it was killed before each of its commands"
    assert (waiting["signed"], waiting["outstanding"]) == (None, ["outreach_gateway"])
    signed = (await eraser.get(address)).json()
    read = DocumentReader([SIGNER.public]).read(KIND, signed["signed"])
    assert read is not None and read["complete_at"] == rfc3339(edge.clock.now())
    edge.clock.at(NOON + timedelta(hours=1))
    await sweep(edge, candidate, *SERVICES)  # what was killed between its commit and its acknowledgement comes again
    again = await asyncio.gather(*(eraser.get(address) for _ in range(4)))
    assert [one.json() for one in again] == [signed] * 4, "signed once: later words and later readers change nothing"
