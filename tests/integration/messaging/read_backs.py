"""A process of a service that reads its topics back."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from shared.messaging.errors import is_transient
from shared.messaging.kafka import Kafka
from shared.messaging.reconciled import Reconciled
from shared.messaging.reconciler import BEGINS, EVERY, PASSES, Reconciler
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool
from shared.runner.loop import Runner
from shared.runner.postgres import rows_of
from tests.fakes.clock import FixedClock

_STEPS = 300
"""More than any test's pass takes."""


@dataclass
class ReadBacks:
    """Its clock, and what it does of the two queues."""

    kafka: Kafka
    pool: Pool
    reconciled: Sequence[Reconciled]
    at_once: int = 500
    clock: FixedClock = field(default_factory=FixedClock)

    def __post_init__(self) -> None:
        self.reconciler = Reconciler(self.kafka, self.reconciled, source="test", at_once=self.at_once)
        self.runner = Runner(self.work, rows_of, self.clock)
        for queue in self.reconciler.queues:
            self.runner.add(queue)

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Unit]:
        async with unit_of_work(self.pool, at=self.clock.now(), source="test") as unit:
            yield unit

    async def begin(self) -> None:
        """As it does once it has started."""
        async with self.work() as unit:
            await self.reconciler.will_begin(unit)

    async def ask(self) -> None:
        async with self.work() as unit:
            self.reconciler.ask(unit)

    async def doubt(self) -> None:
        async with self.work() as unit:
            self.reconciler.doubt(unit)

    async def tell(self) -> None:
        await self.reconciler.tell_ahead(self.pool)

    async def now(self) -> None:
        """Does what is due now; raises what is transient."""
        await self.runner.run_once(BEGINS)
        await self.runner.run_once(PASSES)

    async def run(self, until: Callable[[], Awaitable[object]] | None = None) -> int:
        """Where there was no pass yet it is time for one; else as `do`."""
        if not await self.pool.fetchval("SELECT count(*) FROM work WHERE queue = $1", BEGINS):
            await self.ask()
        return await self.do(until)

    async def do(self, until: Callable[[], Awaitable[object]] | None = None) -> int:
        """Does what is due, and what comes of it within minutes; how many records were republished."""
        before = await self._republished()
        for _ in range(_STEPS):
            try:
                await self.now()
            except Exception as error:
                if not is_transient(error):
                    raise
            soon = self.clock.now() + EVERY / 2
            is_over = not await self.pool.fetchval(
                "SELECT count(*) FROM work WHERE queue = ANY($1) AND run_at <= $2 AND lease IS NULL",
                [BEGINS, PASSES],
                soon,
            )
            if is_over or (until is not None and await until()):
                break
            self.clock.advance(timedelta(seconds=16))
        else:
            raise AssertionError("it came to no end")
        return await self._republished() - before

    async def lease_is_over(self) -> None:
        """Of a process that was killed."""
        await self.pool.execute("UPDATE work SET leased_until = now() WHERE lease IS NOT NULL")

    async def _republished(self) -> int:
        return int(await self.pool.fetchval("SELECT count(*) FROM outbox"))
