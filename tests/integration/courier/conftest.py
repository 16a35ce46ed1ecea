"""What the courier's integration tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.databases import MIGRATIONS_OF
from tests.integration.courier.faulty import FaultyRelay, faulty_relay


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["signup"]


@pytest.fixture
async def faulty() -> AsyncIterator[FaultyRelay]:
    """An SMTP server that does what a test tells it."""
    async with faulty_relay() as server:
        yield server
