"""Answers that several routes share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.messaging.errors import heals
from shared.web.problems import Problem, kind

RETRY_AFTER_SECONDS = 5


@asynccontextmanager
async def or_unavailable() -> AsyncIterator[None]:
    """Turns what can heal (Kafka or the database away) into a 503: a 4xx would make some vendors drop the event."""
    try:
        yield
    except Exception as error:
        if not heals(error):
            raise
        raise Problem(
            503,
            "Not now",
            "Fairpool can't take this in at the moment. Send the same again: what was kept already is recognised.",
            type=kind("unavailable"),
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        ) from error
