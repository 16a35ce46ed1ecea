"""What consent does without being asked, batch by batch, a transaction each."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from services.consent.handlers import block_named
from services.consent.ports import Consents, Writes

Work = Callable[[], AbstractAsyncContextManager[Consents]]
"""Opens everyone's answers in a transaction of its own."""
_BATCH = 100


async def block_those_named(work: Work, writes: Writes) -> None:
    """Blocks employers for those who named them before we knew them, employer by employer."""
    after: str | None = ""
    while after is not None:
        async with work() as consents:
            after = await block_named(consents, writes, after, _BATCH)


async def tell_changes(work: Work) -> None:
    """Asks for the emails that say what was changed, until nobody is due."""
    told = _BATCH
    while told == _BATCH:
        async with work() as consents:
            told = await consents.tell_changes(_BATCH)


async def forget_attempts(work: Work) -> None:
    """Forgets what links were tried for, once they have ended."""
    forgotten = _BATCH
    while forgotten == _BATCH:
        async with work() as consents:
            forgotten = await consents.forget_attempts(_BATCH)
