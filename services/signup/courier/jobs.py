"""What the courier does without being asked, beside sending."""

from datetime import timedelta

from services.signup.courier.ports import Outgoing

_FORGET_AFTER = timedelta(days=110)  # longer than decisions are kept (100 days): none comes back without its row
_AT_ONCE = 5_000


async def forget(kept: Outgoing) -> bool:
    """Mails that are long over go, some at a time."""
    return await kept.forget(_AT_ONCE, older_than=_FORGET_AFTER) == _AT_ONCE
