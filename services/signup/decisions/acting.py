"""How an operator's act comes to stand beside others': tenants have no rows, and two ways lead to their topic."""

from collections.abc import Awaitable, Callable

from services.signup.decisions.tenants import Refused, Tenants, above, said_by_others, says_the_same
from shared.contracts.operator import TenantChangedV1

_TRIES = 5
Replaced = Callable[[str], TenantChangedV1 | None]
"""The record whose place a tenant's present one took."""
Look = Callable[[], Awaitable[tuple[Tenants, Replaced]]]
"""Everybody, once all that was said until now has been read."""


async def act(
    decide: Callable[[Tenants], TenantChangedV1 | Refused],
    look: Look,
    send: Callable[[TenantChangedV1], Awaitable[None]],
) -> TenantChangedV1 | Refused:
    """Says what was decided, and decides once more where somebody else spoke in the same moment: nothing of either is lost."""
    now, _ = await look()
    outcome = decide(now)
    for _ in range(_TRIES):
        if isinstance(outcome, Refused):
            return outcome
        over = now.get(outcome.tenant)
        await send(outcome)
        now, replaced = await look()
        present, before = now.get(outcome.tenant), replaced(outcome.tenant)
        stands = present == outcome
        if stands and before == over:
            return outcome
        if not stands and says_the_same(present, outcome):
            return outcome  # whoever had spoken over it has said it again
        again = decide(said_by_others(outcome, now, before))
        if isinstance(again, Refused):
            if stands and before is not None:
                await send(above(before, now))
            elif before == outcome:
                return outcome  # it stood, and whoever spoke over it finds that out as well, and says it again
            return again
        outcome = above(again, now)
    return Refused({"tenant": "is changed by others all the time: try again"})
