"""What the courier's integration tests share."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.courier.faulty import FaultyRelay, faulty_relay


@pytest.fixture
async def faulty() -> AsyncIterator[FaultyRelay]:
    """An SMTP server that does what a test tells it."""
    async with faulty_relay() as server:
        yield server
