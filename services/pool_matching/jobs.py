"""What happens without a message: what waits is found, pools of who left are closed."""

from collections.abc import Callable, Collection
from datetime import timedelta

from services.pool_matching.handlers import on_employers_removed
from services.pool_matching.ports import EvaluationStore, ListingStore, PoolStore, Refs
from shared.ticks import DAY

_FOUND_AT_ONCE = 500
_SAID_AT_ONCE = 4000
_POOLS_AT_ONCE = 100
_EARLIER_KEPT = 2 * DAY + timedelta(hours=1)
"""How somebody was is asked for as of the midnight before the last tick, which are a day back at most, and by a batch that may have taken a while."""


async def find_overdue(store: EvaluationStore) -> bool:
    """Whoever's pause or consent has ended is decided again."""
    overdue = await store.overdue(_FOUND_AT_ONCE)
    store.decide_for(overdue)
    return len(overdue) == _FOUND_AT_ONCE


async def find_missed_evaluations(store: EvaluationStore) -> bool:
    """Pools that wait without anybody who has to evaluate them (an older version opened them, or a backup) are evaluated."""
    employers = await store.employers_waiting(_FOUND_AT_ONCE)
    store.evaluate_for(employers)
    return len(employers) == _FOUND_AT_ONCE


async def renew_refs(store: EvaluationStore, refs: Refs) -> bool:
    """Members whose refs another key made get those of now."""
    return await store.renew_refs(_FOUND_AT_ONCE, refs) == _FOUND_AT_ONCE


async def forget_earlier(store: EvaluationStore) -> bool:
    """How people were before the last tick of whichever employer is of no use to anybody."""
    forgotten = await store.forget_earlier(_FOUND_AT_ONCE, before=store.at - _EARLIER_KEPT)
    return forgotten == _FOUND_AT_ONCE


async def find_missed_tellings(store: ListingStore) -> bool:
    """Employers who have pools without anybody who has to tell them (a backup was restored, or a release began to) are told."""
    employers = await store.employers_untold(_FOUND_AT_ONCE)
    store.tell_later(employers)
    return len(employers) == _FOUND_AT_ONCE


async def say_disclosures(store: ListingStore) -> bool:
    """What was noted as disclosed is said to the person's side, in the order in which it was noted."""
    return await store.say_disclosures(_SAID_AT_ONCE) == _SAID_AT_ONCE


async def close_pools_of_removed(store: PoolStore, removed: Callable[[], Collection[str]]) -> bool:
    """The pools of employers that have left the network are closed, some at a time."""
    return await on_employers_removed(store, removed(), limit=_POOLS_AT_ONCE) == _POOLS_AT_ONCE
