"""Owners reconcile their compacted topics with their rows: they read them back and republish what Kafka does not have as new.

A relay that was paused and comes back late can put an old version last, and compaction then keeps that one alone; a topic can
be lost and made anew. Readers that build a projection from such a topic would believe what is no longer true.

A pass is work like any other, a row of the queue `read_back_passes` for each topic: it reads the topic once and then goes over the
rows, and over the topic's keys, a page a step. Each step notes in the row's payload how far the pass has come, so a pass of any
length goes on where it was, in whichever process.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import structlog

from shared.messaging.errors import is_transient
from shared.messaging.kafka import Kafka
from shared.messaging.passes import AT_ONCE, SQL, Pass, Progress, Read
from shared.messaging.reconciled import Reconciled
from shared.messaging.unit import Unit
from shared.metrics import READ_BACK_FAILURES, REPUBLISHED, TOPIC_AHEAD
from shared.postgres.pool import Pool
from shared.runner.model import Again, Handle, Job, Queue

BEGINS, PASSES = "read_backs", "read_back_passes"
"""The queues: when a topic is read back next, and the passes under way. Their keys are topics."""
EVERY = timedelta(hours=1)
LOOKS_EVERY = timedelta(seconds=15)
_DOUBTED_AFTER = timedelta(minutes=5)
"""A relay had trouble: what it had in hand comes late, if it comes."""
_UNTIL_IT_IS_OVER = timedelta(seconds=15)
_QUIET = timedelta(seconds=15)
"""How long a topic that Kafka does not give us steps aside for the others."""
_LEASE = timedelta(minutes=1)
_log = structlog.get_logger(__name__)


class Reconciler:
    """Its queues are worked off by the workers of a service; of each topic one pass at a time is under way, once an hour or when asked.

    Of a topic of one's own, what is signed with another key than the one that signs now (`own_key`), or not at all, is
    republished: an exchange of keys needs nothing but time.
    """

    def __init__(
        self,
        kafka: Kafka,
        reconciled: Sequence[Reconciled],
        *,
        source: str,
        own_key: bytes | None = None,
        at_once: int = AT_ONCE,
    ) -> None:
        self._passes = {
            one.topic.name: Pass(one, kafka, source, at_once, own_key=None if one.behind is None else own_key)
            for one in reconciled
        }
        self._own = [one.topic.name for one in reconciled if one.behind is not None]
        for name in self._passes:  # series that are there from the start, with 0
            REPUBLISHED.labels(name)
            READ_BACK_FAILURES.labels(name)
        for name in self._own:
            TOPIC_AHEAD.labels(name)

    @property
    def queues(self) -> Sequence[Queue[Unit]]:
        """What workers do. None of it is ever set aside: a pass that stopped would be missed more than its failing is heard."""
        return (
            Queue(BEGINS, self._begin, attempts=None),
            Queue(PASSES, self._go_on, batch=1, attempts=None, lease=_LEASE, prepare=self._read),
        )

    async def will_begin(self, unit: Unit) -> None:
        """Each topic has its row, as in a database that is new none has."""
        known = await self._rows(unit, BEGINS, list(self._passes))
        unit.work.add(BEGINS, [name for name in self._passes if name not in known], at=unit.at + EVERY)

    def doubt(self, unit: Unit) -> None:
        """A relay had trouble: reads back soon, though not over and over while the trouble lasts."""
        unit.work.add(BEGINS, list(self._passes), at=unit.at + _DOUBTED_AFTER)

    def ask(self, unit: Unit) -> None:
        """Every topic is due now; one whose pass is under way is read once more."""
        unit.work.add(BEGINS, list(self._passes), at=unit.at)

    async def tell_ahead(self, pool: Pool) -> None:
        """In every process what the last pass found, whichever made it: else an old finding would stand beside a new one."""
        for row in await pool.fetch(SQL["ahead"], BEGINS, self._own):
            TOPIC_AHEAD.labels(row["topic"]).set(row["ahead"])

    async def _begin(self, unit: Unit, jobs: Sequence[Job]) -> Again:
        names = [job.key for job in jobs]
        going = await self._rows(unit, PASSES, names)
        rest = [name for name in names if name not in going]
        for name in rest:
            unit.work.add(PASSES, [name], at=unit.at, payload=self._passes[name].begin().as_payload(), flow=name)
        return dict.fromkeys(going, unit.at + _UNTIL_IT_IS_OVER) | dict.fromkeys(rest, unit.at + EVERY)

    async def _read(self, jobs: Sequence[Job]) -> Handle[Unit]:
        """Before a transaction is opened: no connection is held while Kafka is read."""
        (job,) = jobs
        progress = Progress.of(job)
        if progress.phase != "reading" or job.key not in self._passes:
            return self._go_on
        try:
            read = await self._passes[job.key].read(progress)
        except Exception as error:
            if not is_transient(error):
                READ_BACK_FAILURES.labels(job.key).inc()
                raise
            _log.warning("read_back_waits", topic=job.key, error=type(error).__name__)
            return partial(_later, pause=_QUIET)
        return partial(self._go_on, read=read)

    async def _go_on(self, unit: Unit, jobs: Sequence[Job], read: Read | None = None) -> Again | None:
        """One step of the pass; the row of the next step takes the place of this one."""
        (job,) = jobs
        if job.key not in self._passes:  # of a version that knew this topic
            return None
        after = await self._passes[job.key].step(unit, job, read)
        if after.phase == "over":
            unit.work.add(BEGINS, [job.key], at=unit.at + EVERY, payload={"ahead": after.ahead})
        else:
            unit.work.add(PASSES, [job.key], at=unit.at, payload=after.as_payload(), flow=job.key)
        return None

    async def _rows(self, unit: Unit, queue: str, names: Sequence[str]) -> set[str]:
        return {row["key"] for row in await unit.connection.fetch(SQL["have_rows"], queue, names)}


async def _later(unit: Unit, jobs: Sequence[Job], pause: timedelta) -> Again:
    return {job.key: unit.at + pause for job in jobs}
