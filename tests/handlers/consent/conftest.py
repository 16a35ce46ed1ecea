"""The routes of consent on the fake store."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.clock import FixedClock
from tests.fakes.consent import ConsentsDatabase
from tests.fakes.consent_pages import client_of


@pytest.fixture
def database() -> ConsentsDatabase:
    """Nobody has answered yet; it is noon."""
    return ConsentsDatabase(FixedClock())


@pytest.fixture
async def client(database: ConsentsDatabase) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the routes, of Ana who is signed in; it follows no redirect."""
    async with client_of(database, is_signed_in=True) as opened:
        yield opened


@pytest.fixture
async def stranger(database: ConsentsDatabase) -> AsyncIterator[httpx.AsyncClient]:
    """The same, of whoever is not signed in."""
    async with client_of(database) as opened:
        yield opened
