"""The process itself: what a service declared is started in order, watched, and stopped the other way round."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from shared import lifetime, tracing
from shared.clock import Clock
from shared.clock_moves import follow
from shared.contracts.topics import ALL_TOPICS, SIGNERS, Topic, signer_of
from shared.messaging import topics
from shared.messaging.asking import SameQuestion
from shared.messaging.consumer import Consumer, Subscription
from shared.messaging.ends import EndsWatch, asking_client, watch_for
from shared.messaging.errors import FatalError, is_transient
from shared.messaging.internals import dead_task_of_consumer
from shared.messaging.kafka import METADATA_MAX_AGE_MS
from shared.messaging.producer import Producer
from shared.messaging.relay import Relay
from shared.messaging.restored import Replay
from shared.messaging.signatures import Signer
from shared.messaging.unit import Unit, unit_of_work
from shared.messaging.watchdog import Watchdog
from shared.metrics import TOPICS_DIFFER
from shared.postgres.migrate import PLUMBING, migrate, must_be_applied
from shared.postgres.pool import Pool, close_pool, must_be_direct, open_pool
from shared.roles import Role
from shared.security.statements import key_id
from shared.service.parts import Parts
from shared.settings import ServiceSettings

_KAFKA_WITHIN = 60.0
_KAFKA_ANSWERS_WITHIN = 5.0
_TOPICS_COMPARED_EVERY = timedelta(minutes=1)
_LOOKS_EVERY = 0.1
_OF_NOTICES = 1
"""Connection to PostgreSQL, beside the pool's."""
_log = structlog.get_logger(__name__)


class StoppingError(Exception):
    """The process was told to stop, or has to."""


@dataclass(slots=True)
class Process:
    """Runs what a service is made of.

    Order of the start: database, migrations (only where one process does everything; else they are a job of their own, and
    must have been applied), topics, resources, producer, relay, followers (until their projections are current), consumers,
    runner, jobs, watchdog. The stop goes the other way and finishes the batch in flight. Whatever dies on the
    way takes the process with it, with a non-zero code.

    On a database that was restored from a dump everything from the resources on waits until `erasures` was replayed; until then
    it serves nothing but its health.
    """

    name: str
    settings: ServiceSettings
    database: str
    clock: Clock
    parts: Parts
    signer: Signer = field(init=False)
    producer: Producer = field(init=False)
    broker: KafkaBroker = field(init=False)
    consumers: list[Consumer] = field(default_factory=list)
    failed: BaseException | None = None
    stop: Callable[[], None] = field(default=lambda: None)
    is_stopping: Callable[[], bool] = field(default=lambda: False)
    once_replayed: Callable[[Unit], None] = field(default=lambda _: None)
    """In the transaction that opens a restored database: what is to be looked at then."""
    _watch: EndsWatch | None = None
    _clients: list[Callable[[], str | None]] = field(default_factory=list)
    _replay: Replay | None = None
    _pool: Pool | None = None
    _relay: Relay | None = None

    def __post_init__(self) -> None:
        cluster, settings = self.settings.cluster, self.settings
        self.signer = Signer(settings.signing_key)
        self.producer = Producer(
            cluster,
            idempotence=settings.kafka_idempotence,
            client_id=f"fairpool-{self.name}",
            signer=self.signer,
        )
        self.broker = KafkaBroker(
            list(settings.kafka),
            security=cluster.for_faststream(),
            client_id=f"fairpool-{self.name}",
            apply_types=False,
            logger=None,
            allow_auto_create_topics=False,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            graceful_timeout=settings.stop_within.total_seconds(),
            enable_idempotence=False,
        )

    @property
    def pool(self) -> Pool:
        """The database; there once the process has started."""
        if self._pool is None:
            raise RuntimeError("the service has not started")
        return self._pool

    @property
    def relay(self) -> Relay:
        """The outbox relay; there once the process has started."""
        if self._relay is None:
            raise RuntimeError("the service has not started")
        return self._relay

    @property
    def why_closed(self) -> str:
        """Why nothing is served yet: the database was restored; empty where it was not, and once it is open."""
        if self._replay is None:
            return ""
        return self._replay.why or "Who was erased since the dump was made has been replayed, and it opens."

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything runs inside the block."""
        async with AsyncExitStack() as stack:
            try:
                await self._start_unless_told(stack)
            except Exception as error:
                if not isinstance(error, StoppingError):
                    self.fail(error)
                logging.getLogger("uvicorn.error").disabled = True  # it would say the same again, at length
                raise
            _log.info("started")
            yield
            _log.info("stopping")

    def fail(self, error: BaseException) -> None:
        """The process ends because of this, unless something else was first."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if self.failed is None:
            self.failed = error
            is_plain = isinstance(error, FatalError)
            said = str(error) if is_plain else type(error).__name__
            _log.critical("failed", error=said, exc_info=error.__cause__ if is_plain else error)
            self.stop()

    async def postgres_answers(self) -> None:
        """A readiness check."""
        await self.pool.fetchval("SELECT count(*) FROM migrations")

    async def goes_on(self) -> None:
        """A readiness check: StoppingError once the process was told to stop."""
        if self.is_stopping():
            raise StoppingError

    async def consumers_run(self) -> None:
        """A readiness check."""
        for consumer in self.consumers:
            if (dead := consumer.dead()) is not None:
                raise RuntimeError(f"a {dead} task has died")

    async def compare_topics(self) -> None:
        """Whether the topics are what this version thinks they are, as a metric."""
        differences = await topics.differences(self.settings.cluster, self._topics)
        for topic in self._topics:
            TOPICS_DIFFER.labels(topic.name).set(topic.name in differences)

    async def _start_unless_told(self, stack: AsyncExitStack) -> None:
        """Servers that are away may keep a start busy for a minute: nobody who stops a process waits for that."""
        starting = asyncio.create_task(self._start(stack))
        while not starting.done():
            await asyncio.wait({starting}, timeout=_LOOKS_EVERY)
            if self.is_stopping():
                await lifetime.call_off(starting)
                raise StoppingError
        starting.result()

    async def _start(self, stack: AsyncExitStack) -> None:
        parts = self.parts
        self._must_be_believed()
        if self.settings.traces != "none":
            stack.push_async_callback(asyncio.to_thread, tracing.start(self.name, self.settings.traces))
        with _named("Kafka did not answer within a minute"):
            await topics.wait_for_kafka(self.settings.cluster, seconds=_KAFKA_WITHIN)
        await topics.check(self.settings.cluster, self._topics)
        with _named("PostgreSQL did not answer"):
            self._pool = await open_pool(
                self.database, name=f"fairpool-{self.name}", connections=self.settings.connections - _OF_NOTICES
            )
        stack.push_async_callback(close_pool, self._pool)
        await must_be_direct(self._pool)
        folders = (PLUMBING, *([parts.migrations] if parts.migrations else []))
        if parts.role is Role.ALL:
            await migrate(self._pool, *folders)
        else:
            await must_be_applied(self._pool, *folders)
        replay = Replay(self.name, self.settings.cluster, parts.replayed, self._pool, self._unit, self.once_replayed)
        if await replay.is_closed():
            self._replay = replay
            await stack.enter_async_context(self._running("replay", partial(self._open_once_replayed, replay)))
        else:
            await self._open(stack)

    async def _open_once_replayed(self, replay: Replay) -> None:
        await replay.until_open()
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._replay = None
            await asyncio.Event().wait()

    def _unit(self) -> AbstractAsyncContextManager[Unit]:
        return unit_of_work(self.pool, at=self.clock.now(), source=self.name)

    async def _open(self, stack: AsyncExitStack) -> None:
        parts = self.parts
        for resource in parts.resources:
            await stack.enter_async_context(resource())
        await self.producer.start()
        stack.push_async_callback(self.producer.stop)
        self._relay = Relay(self.pool, self.producer)
        await stack.enter_async_context(self._running("relay", self._relay.run))
        listens = partial(parts.notices.run, self.database, name=f"fairpool-{self.name}")
        await stack.enter_async_context(self._running("notices", listens))
        if self.clock.path is not None:
            await stack.enter_async_context(self._running("clock", partial(follow, self.clock, self.clock.path)))
        await self._start_watch(stack)
        await self._start_followers(stack)
        if parts.has(Role.WORKER):
            await self._start_consumers(stack, parts.wiring.subscriptions())
        parts.every(_TOPICS_COMPARED_EVERY, "compare_topics", self.compare_topics)
        if parts.has(Role.WORKER) and parts.runner.queues:
            await stack.enter_async_context(self._running("runner", parts.runner.run))
        for name, job in parts.jobs:
            await stack.enter_async_context(self._running(name, job))
        await stack.enter_async_context(self._running("watchdog", self._watchdog().run))

    def _must_be_believed(self) -> None:
        name = signer_of(self.name)
        if name in SIGNERS and self.signer.id not in map(key_id, self.settings.verify_keys[name]):
            raise FatalError(
                f"FAIRPOOL_VERIFY_KEYS has no key of {name} that belongs to FAIRPOOL_SIGNING_KEY: whatever this process says "
                "would be refused. Add the public half to every process first (docs/running.md, Keys that sign)."
            )

    @property
    def _topics(self) -> list[Topic]:
        return [topic for topic in ALL_TOPICS if topic.concerns(self.name)]

    def _watchdog(self) -> Watchdog:
        followers = [follower for follower, _ in self.parts.followers]
        return Watchdog(
            self.settings.stuck_after,
            (*self.consumers, *followers),
            (self.producer.dead, *self._clients),
            self._kafka_answers,
        )

    async def _start_consumers(self, stack: AsyncExitStack, subscriptions: list[Subscription]) -> None:
        self.consumers = [self._consumer(subscription) for subscription in subscriptions]
        for consumer in self.consumers:
            consumer.attach(self.broker)
        await self.broker.connect()
        stack.push_async_callback(self.broker.stop)
        # Broker.start() joins one group after the other, and each join takes seconds.
        await asyncio.gather(*(subscriber.start() for subscriber in self.broker.subscribers))
        self.broker.running = True

    def _consumer(self, subscription: Subscription) -> Consumer:
        return Consumer(
            subscription,
            self.pool,
            self.clock,
            source=self.name,
            retry_for=self.settings.retry_for,
            on_fatal=self.fail,
            after_commit=self.relay.committed,
            verifier=self.settings.verifier,
            fetch_wait_ms=self.settings.cluster.fetch_wait_ms(self._watch),
            scheduled=self.parts.scheduled,
        )

    async def _start_watch(self, stack: AsyncExitStack) -> None:
        cluster = self.settings.cluster
        self._watch = watch_for(cluster)
        if self._watch is not None:
            client = await stack.enter_async_context(asking_client(cluster, client_id=f"fairpool-{self.name}"))
            self._clients.append(partial(dead_task_of_consumer, client))
            await stack.enter_async_context(self._running("ends", partial(self._watch.run, SameQuestion(client))))

    async def _start_followers(self, stack: AsyncExitStack) -> None:
        for follower, stored in self.parts.followers:
            await follower.start(await stored() if stored else None, self._watch)
            stack.push_async_callback(follower.stop)
            await stack.enter_async_context(self._running(follower.name, follower.run))
        for follower, _ in self.parts.followers:
            if not await follower.caught_up(within=timedelta(seconds=_KAFKA_WITHIN)):
                raise FatalError("a projection did not reach the end of its topic within a minute of the start")

    def _running(self, name: str, run: Callable[[], Awaitable[None]]) -> AbstractAsyncContextManager[None]:
        return lifetime.running(name, run, self.fail)

    async def _kafka_answers(self) -> bool:
        try:
            await topics.wait_for_kafka(self.settings.cluster, seconds=_KAFKA_ANSWERS_WITHIN)
        except (KafkaError, OSError, TimeoutError):
            return False
        return True


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    """What is away, in plain words."""
    try:
        yield
    except Exception as error:
        if is_transient(error):
            raise FatalError(f"{what}: {type(error.__cause__ or error).__name__}") from error
        raise
