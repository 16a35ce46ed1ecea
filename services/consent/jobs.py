"""What consent does without being asked, batch by batch."""

from services.consent.ports import Consents

_BATCH = 100


async def tell_changes(consents: Consents) -> bool:
    """Asks for the emails that say what was changed."""
    return await consents.tell_changes(_BATCH) == _BATCH


async def forget_attempts(consents: Consents) -> bool:
    """Forgets what links were tried for, once they have ended."""
    return await consents.forget_attempts(_BATCH) == _BATCH
