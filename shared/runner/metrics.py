"""What the runner counts, by queue."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge

DUE = Gauge("fairpool_work_due", "Work of a queue that is due and not done, counted up to 10,000 a lane.", ["queue"])
OLDEST_SECONDS = Gauge(
    "fairpool_work_oldest_seconds", "Since when the longest waiting work of a queue is due.", ["queue"]
)
SET_ASIDE = Gauge("fairpool_work_set_aside", "Work of a queue that was set aside and waits for an operator.", ["queue"])
WORK = Counter("fairpool_work_total", "Work that was taken in hand, by what became of it.", ["queue", "outcome"])
OUTCOMES = ("done", "again", "failed", "set_aside", "held", "lease_lost")


def begin(queues: Iterable[str]) -> None:
    """Series that are there from the start, with 0."""
    for queue in queues:
        for outcome in OUTCOMES:
            WORK.labels(queue, outcome)
        for gauge in (DUE, OLDEST_SECONDS, SET_ASIDE):
            gauge.labels(queue)
