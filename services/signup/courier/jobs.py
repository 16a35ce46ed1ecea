"""What the courier does without being asked, beside sending."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from services.signup.courier.ports import Outgoing

_FORGET_AFTER = timedelta(days=110)  # longer than decisions are kept (100 days): none comes back without its row
_AT_ONCE = 5_000


async def forget(work: Callable[[], AbstractAsyncContextManager[Outgoing]]) -> None:
    """Mails that are long over go; some at a time, a transaction each."""
    gone = _AT_ONCE
    while gone == _AT_ONCE:
        async with work() as kept:
            gone = await kept.forget(_AT_ONCE, older_than=_FORGET_AFTER)
