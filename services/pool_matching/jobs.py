"""What happens without a message: what waits is found, pools of who left are closed."""

from collections.abc import Callable, Collection

from services.pool_matching.handlers import on_employers_removed
from services.pool_matching.ports import EvaluationStore, PoolStore

_FOUND_AT_ONCE = 500
_POOLS_AT_ONCE = 100


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


async def close_pools_of_removed(store: PoolStore, removed: Callable[[], Collection[str]]) -> bool:
    """The pools of employers that have left the network are closed, some at a time."""
    return await on_employers_removed(store, removed(), limit=_POOLS_AT_ONCE) == _POOLS_AT_ONCE
