"""What happens without a message: evaluations go on, pauses end, old updates are forgotten."""

from datetime import timedelta

from services.pool_matching.handlers import Refs, on_evaluation_waiting, on_time_passed
from services.pool_matching.ports import EvaluationStore, FeedStore, Work

FEED_KEPT = timedelta(days=30)
_AT_ONCE = 5_000


async def evaluate_pools(work: Work[EvaluationStore], refs: Refs) -> None:
    """Every pool that is to be held against all persons is; one transaction a chunk."""
    more = True
    while more:
        async with work() as store:
            more = await on_evaluation_waiting(store, refs)


async def notice_the_time(work: Work[EvaluationStore], refs: Refs) -> None:
    """Whoever's pause or consent has ended is decided again."""
    more = True
    while more:
        async with work() as store:
            more = await on_time_passed(store, refs)


async def forget_old_updates(work: Work[FeedStore]) -> None:
    """Updates of more than 30 days are gone."""
    more = True
    while more:
        async with work() as store:
            more = await store.forget(_AT_ONCE, kept=FEED_KEPT) == _AT_ONCE
