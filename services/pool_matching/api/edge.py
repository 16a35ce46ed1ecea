"""What the routes need of the rest of the service."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from services.pool_matching.model import Occupations
from services.pool_matching.ports import IntroductionStore, PoolStore, Work
from shared.feed.web import FeedFace
from shared.ticks import Ticks
from shared.web.budgets import Streams
from shared.web.tenants import Tenants


@dataclass(frozen=True, slots=True)
class Edge:
    """Put together in `app.py`."""

    tenants: Tenants
    pools: Work[PoolStore]
    feed: FeedFace
    occupations: Occupations
    heartbeat: timedelta
    streams: Streams
    is_stopping: Callable[[], bool]
    """Whether streams have to end, since the process is about to."""
    changes_per_minute: int
    introductions: Work[IntroductionStore]
    ticks: Ticks
    """When which employer is told what came of others' acts."""
    asked_per_day: int
    """How many pools an employer may make or have ask for something else."""
    """How often an employer may make, change or delete a pool."""
