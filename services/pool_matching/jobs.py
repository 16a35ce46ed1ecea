"""What happens without a message: evaluations go on, pauses end, pools of who left are closed."""

from collections.abc import Callable, Collection

from services.pool_matching.handlers import Refs, on_employers_removed, on_time_passed, on_turn
from services.pool_matching.ports import EvaluationStore, PoolStore, Work

_POOLS_AT_ONCE = 100


async def evaluate_pools(work: Work[EvaluationStore], refs: Refs) -> None:
    """Every pool that is to be held against all persons is, in turns; one transaction a chunk.

    A turn is used up before its step is tried: a step that fails or takes too long, again and again, holds up nobody else.
    """
    while True:
        async with work() as store:
            pool = await store.next_turn()
        if pool is None:
            return
        async with work() as store:
            await on_turn(store, pool, refs)


async def notice_the_time(work: Work[EvaluationStore], refs: Refs) -> None:
    """Whoever's pause or consent has ended is decided again."""
    more = True
    while more:
        async with work() as store:
            more = await on_time_passed(store, refs)


async def close_pools_of_removed(work: Work[PoolStore], removed: Callable[[], Collection[str]]) -> None:
    """The pools of employers that have left the network are closed; some at a time, a transaction each."""
    more = True
    while more:
        async with work() as store:
            more = await on_employers_removed(store, removed(), limit=_POOLS_AT_ONCE) == _POOLS_AT_ONCE
