"""What consent does without being asked, batch by batch."""

from services.consent.handlers import block_named
from services.consent.ports import Consents, Writes

_BATCH = 100


async def block_those_named(consents: Consents, writes: Writes) -> bool:
    """Blocks employers for those who named them before we knew them, employer by employer, one batch of each."""
    after: str | None = ""
    more = False
    while after is not None:
        before, after = after, await block_named(consents, writes, after, _BATCH)
        if after == before:  # it has more people than a batch: the next turn goes on with it
            more, after = True, None
    return more


async def tell_changes(consents: Consents) -> bool:
    """Asks for the emails that say what was changed."""
    return await consents.tell_changes(_BATCH) == _BATCH


async def forget_attempts(consents: Consents) -> bool:
    """Forgets what links were tried for, once they have ended."""
    return await consents.forget_attempts(_BATCH) == _BATCH
