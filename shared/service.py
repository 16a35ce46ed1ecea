"""One process of a service: HTTP, consumers, outbox relay and jobs in one event loop, started and stopped in order."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import structlog
from aiokafka.errors import KafkaError
from fastapi import FastAPI
from faststream.kafka import KafkaBroker

from shared import lifetime, log, tracing
from shared.clock import Clock
from shared.contracts.base import Event
from shared.contracts.operator import TenantChangedV1
from shared.contracts.topics import ALL_TOPICS, TENANTS, Topic
from shared.messaging import topics
from shared.messaging.asyncapi import install_asyncapi
from shared.messaging.consumer import Consumer, Subscription
from shared.messaging.envelope import Received, encode, only
from shared.messaging.errors import FatalError, is_transient
from shared.messaging.follower import Apply, Follower, Positions, must_catch_up
from shared.messaging.holding import Holding
from shared.messaging.producer import Producer
from shared.messaging.reconciler import LOOKS_EVERY, ApplyReadBack, Behind, Orphaned, Reconciled, Reconciler
from shared.messaging.relay import Relay
from shared.messaging.unit import SHARDS, Unit, unit_of_work
from shared.messaging.watchdog import Watchdog
from shared.metrics import TOPICS_DIFFER
from shared.postgres.migrate import PLUMBING, migrate
from shared.postgres.pool import Pool, close_pool, open_pool
from shared.settings import ServiceSettings
from shared.web import home, pages, reading_back
from shared.web.app import create_app
from shared.web.server import Server
from shared.web.tenants import Tenants

Check = Callable[[], Awaitable[None]]
"""Raises when the thing it checks does not work."""

_KAFKA_WITHIN = 60.0
_KAFKA_ANSWERS_WITHIN = 5.0
_TOPICS_COMPARED_EVERY = timedelta(minutes=1)
_LOOKS_EVERY = 0.1
_STOPS = 3
"""A failed process may take so many times `stop_within` to leave in order: open requests, consumers, all else."""
_log = structlog.get_logger(__name__)


class StoppingError(Exception):
    """The process was told to stop, or has to."""


@dataclass(slots=True)
class Service:
    """What `app.py` puts a service together with.

    Order of the start: database, migrations, topics, producer, followers (until their projections are current), consumers,
    relay, jobs, watchdog. The stop goes the other way and finishes the batch in flight. Whatever dies on the way takes the
    process with it, with a non-zero code.
    """

    name: str
    settings: ServiceSettings
    database: str
    migrations: Path | None = None
    clock: Clock = field(init=False)
    tenants: Tenants = field(default_factory=Tenants)
    failed: BaseException | None = None
    _pool: Pool | None = None
    _relay: Relay | None = None
    _producer: Producer = field(init=False)
    _tenants_copy: Follower = field(init=False)
    _broker: KafkaBroker = field(init=False)
    _subscriptions: list[Subscription] = field(default_factory=list)
    _consumers: list[Consumer] = field(default_factory=list)
    _followers: list[tuple[Follower, Callable[[], Awaitable[Positions]] | None]] = field(default_factory=list)
    _reconciled: list[Reconciled] = field(default_factory=list)
    _jobs: list[tuple[str, Callable[[], Awaitable[None]]]] = field(default_factory=list)
    _opening: list[Callable[[], contextlib.AbstractAsyncContextManager[object]]] = field(default_factory=list)
    _checks: dict[str, Check] = field(default_factory=dict)
    _stop: Callable[[], None] = field(default=lambda: None)
    _is_stopping: Callable[[], bool] = field(default=lambda: False)

    def __post_init__(self) -> None:
        self.clock = Clock(self.settings.clock_file)
        self._producer = Producer(
            self.settings.cluster, idempotence=self.settings.kafka_idempotence, client_id=f"fairpool-{self.name}"
        )
        self._broker = KafkaBroker(
            list(self.settings.kafka),
            security=self.settings.cluster.for_faststream(),
            client_id=f"fairpool-{self.name}",
            apply_types=False,
            logger=None,
            allow_auto_create_topics=False,
            graceful_timeout=self.settings.stop_within.total_seconds(),
            enable_idempotence=False,
        )
        self._tenants_copy = self.follow(TENANTS, self._apply_tenants)
        self._checks = {"process": self._goes_on, "postgres": self._postgres_answers, "consumers": self._consumers_run}

    @property
    def pool(self) -> Pool:
        """The database; there once the service has started."""
        if self._pool is None:
            raise RuntimeError("the service has not started")
        return self._pool

    @property
    def relay(self) -> Relay:
        """The outbox relay; there once the service has started."""
        if self._relay is None:
            raise RuntimeError("the service has not started")
        return self._relay

    async def catch_up_with_tenants(self, *, within: timedelta) -> None:
        """Returns once `tenants` holds all that was on its topic when this was called; raises a transient error if it can't."""
        await must_catch_up(self._tenants_copy, within=within)

    async def send(self, event: Event) -> None:
        """To Kafka at once, for what has no row: returns when Kafka has it; raises a transient error when it has not."""
        await self._producer.send([encode(event, source=self.name, at=self.clock.now())])

    def is_stopping(self) -> bool:
        """Whether the process was told to stop: whatever streams ends now."""
        return self._is_stopping()

    def subscribe(self, subscription: Subscription) -> None:
        """A consumer group of this service."""
        self._subscriptions.append(subscription)

    def follow(
        self, topic: Topic, apply: Apply, *, stored: Callable[[], Awaitable[Positions]] | None = None
    ) -> Follower:
        """A projection that must be current: the service is ready once it has reached the topic's end."""
        follower = Follower(self.settings.cluster, topic, apply, client_id=f"fairpool-{self.name}")
        self._followers.append((follower, stored))
        return follower

    def reconcile(
        self,
        topic: Topic,
        behind: Behind | None = None,
        orphaned: Orphaned | None = None,
        apply: ApplyReadBack | None = None,
    ) -> None:
        """A compacted topic of this service's own, that is to show what the rows say, whatever happened to Kafka.

        With `apply` alone it may be another's: rows that come from a backup are to know what it says.
        """
        self._reconciled.append(Reconciled(topic, behind, orphaned, apply))

    def job(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Something that runs as long as the process does; it ends only by being cancelled."""
        self._jobs.append((name, run))

    def every(self, period: timedelta, name: str, run: Callable[[], Awaitable[object]]) -> None:
        """Something to do again and again; a transient error is retried at the next turn."""

        holding = Holding(name)

        async def turns() -> None:
            while True:
                try:
                    await run()
                    holding.over()
                except Exception as error:
                    if not is_transient(error):
                        raise
                    holding.note(error)
                    _log.warning("job_waits", job=name, error=type(error).__name__)
                await asyncio.sleep(period.total_seconds())

        self.job(name, turns)

    def open(self, resource: Callable[[], contextlib.AbstractAsyncContextManager[object]]) -> None:
        """A resource opened after the database and closed before it (Redis, an SMTP pool)."""
        self._opening.append(resource)

    def check(self, name: str, check: Check) -> None:
        """One more thing that readiness really does."""
        self._checks[name] = check

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Unit]:
        """A unit of work for a route; its events are on their way when the block ends."""
        async with unit_of_work(self.pool, at=self.clock.now(), source=self.name) as unit:
            yield unit
        if unit.shards:
            self.relay.wake(unit.shards)

    def http(self, title: str, *, signup_url: str | None = None) -> FastAPI:
        """The HTTP face, with health, metrics, docs and AsyncAPI; its lifespan is the service's.

        Its page `/` is for people where `signup_url` says where they join, and else for whoever writes programs for it.
        """
        pages.IMPRINT.operator = self.settings.operator
        app = create_app(
            title,
            self.name,
            lifespan=self._lifespan,
            ready=self._ready,
            is_stopping=self.is_stopping,
            limits=self.settings.http_limits,
        )
        app.include_router(home.router(self.settings.operator, self.tenants, title=title, signup_url=signup_url))
        if self._reconciled:
            self._add_read_back(app)
        install_asyncapi(app, title, self._broker, lambda: self._subscriptions)
        return app

    def _add_read_back(self, app: FastAPI) -> None:
        read_back = Reconciler(self.settings.cluster, self._reconciled, self.clock, source=self.name)

        async def turn() -> None:
            if self.relay.in_doubt:
                await read_back.doubt(self.pool)
                self.relay.in_doubt = False
            if await read_back.turn(self.pool):
                self.relay.wake(range(SHARDS))

        self.every(LOOKS_EVERY, "read_back", turn)
        topics_reconciled = [reconciled.topic.name for reconciled in self._reconciled]
        app.include_router(reading_back.router(topics_reconciled, lambda: read_back.ask(self.pool), self.tenants))

    def serve(self, app: FastAPI) -> None:
        """Serves until SIGTERM, drains, stops in order; exits with 1 when something in it died."""
        settings = self.settings
        server = Server(
            app,
            host=settings.http_host,
            port=settings.http_port,
            drain_for=settings.drain_for,
            stop_within=settings.stop_within,
            limits=settings.http_limits,
            trusted_proxies=settings.trusted_proxies,
            when_told=lambda: lifetime.exit_at_last(settings.drain_for + _STOPS * settings.stop_within),
        )

        def stop() -> None:
            server.should_exit = True
            lifetime.exit_at_last(_STOPS * settings.stop_within)

        self._stop = stop
        self._is_stopping = server.is_stopping
        # uvicorn raises the signal again once it has stopped, and exits with a code of its own where it can't start
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            server.run()
        if self.failed is not None or not (server.started or server.is_stopping()):
            sys.exit(1)

    def _fail(self, error: BaseException) -> None:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if self.failed is None:
            self.failed = error
            is_plain = isinstance(error, FatalError)
            said = str(error) if is_plain else type(error).__name__
            _log.critical("failed", error=said, exc_info=error.__cause__ if is_plain else error)
            self._stop()

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                await self._start_unless_told(stack)
            except Exception as error:
                if not isinstance(error, StoppingError):
                    self._fail(error)
                logging.getLogger("uvicorn.error").disabled = True  # it would say the same again, at length
                raise
            _log.info("started")
            yield
            _log.info("stopping")

    async def _start_unless_told(self, stack: AsyncExitStack) -> None:
        """Servers that are away may keep a start busy for a minute: nobody who stops a process waits for that."""
        starting = asyncio.create_task(self._start(stack))
        while not starting.done():
            await asyncio.wait({starting}, timeout=_LOOKS_EVERY)
            if self.is_stopping():
                starting.cancel()
                await asyncio.wait({starting})
                raise StoppingError
        starting.result()

    async def _start(self, stack: AsyncExitStack) -> None:
        if self.settings.traces != "none":
            stack.push_async_callback(asyncio.to_thread, tracing.start(self.name, self.settings.traces))
        with _named("Kafka did not answer within a minute"):
            await topics.wait_for_kafka(self.settings.cluster, seconds=_KAFKA_WITHIN)
        await topics.check(self.settings.cluster, self._topics)
        with _named("PostgreSQL did not answer"):
            self._pool = await open_pool(self.database, name=f"fairpool-{self.name}")
        stack.push_async_callback(close_pool, self._pool)
        await migrate(self._pool, PLUMBING, *([self.migrations] if self.migrations else []))
        for resource in self._opening:
            await stack.enter_async_context(resource())
        await self._producer.start()
        stack.push_async_callback(self._producer.stop)
        self._relay = Relay(self._pool, self._producer)
        await stack.enter_async_context(self._running("relay", self._relay.run))
        await self._start_followers(stack)
        await self._start_consumers(stack)
        self.every(_TOPICS_COMPARED_EVERY, "compare_topics", self._compare_topics)
        for name, job in self._jobs:
            await stack.enter_async_context(self._running(name, job))
        await stack.enter_async_context(self._running("watchdog", self._watchdog().run))

    @property
    def _topics(self) -> list[Topic]:
        return [topic for topic in ALL_TOPICS if topic.concerns(self.name)]

    async def _compare_topics(self) -> None:
        differences = await topics.differences(self.settings.cluster, self._topics)
        for topic in self._topics:
            TOPICS_DIFFER.labels(topic.name).set(topic.name in differences)

    def _watchdog(self) -> Watchdog:
        followers = [follower for follower, _ in self._followers]
        return Watchdog(
            self.settings.stuck_after, (*self._consumers, *followers), (self._producer.dead,), self._kafka_answers
        )

    async def _start_consumers(self, stack: AsyncExitStack) -> None:
        self._consumers = [self._consumer(subscription) for subscription in self._subscriptions]
        for consumer in self._consumers:
            consumer.attach(self._broker)
        await self._broker.connect()
        stack.push_async_callback(self._broker.stop)
        # Broker.start() joins one group after the other, and each join takes seconds.
        await asyncio.gather(*(subscriber.start() for subscriber in self._broker.subscribers))
        self._broker.running = True

    def _consumer(self, subscription: Subscription) -> Consumer:
        return Consumer(
            subscription,
            self.pool,
            self.clock,
            source=self.name,
            retry_for=self.settings.retry_for,
            on_fatal=self._fail,
            after_commit=self.relay.wake,
        )

    async def _start_followers(self, stack: AsyncExitStack) -> None:
        for follower, stored in self._followers:
            await follower.start(await stored() if stored else None)
            stack.push_async_callback(follower.stop)
            await stack.enter_async_context(self._running(follower.name, follower.run))
        for follower, _ in self._followers:
            if not await follower.caught_up(within=timedelta(seconds=_KAFKA_WITHIN)):
                raise FatalError("a projection did not reach the end of its topic within a minute of the start")

    def _running(self, name: str, run: Callable[[], Awaitable[None]]) -> contextlib.AbstractAsyncContextManager[None]:
        return lifetime.running(name, run, self._fail)

    async def _apply_tenants(self, received: Sequence[Received[Event]], _: Positions) -> None:
        for item in only(TenantChangedV1, received):
            self.tenants.apply(item.event)

    async def _ready(self) -> dict[str, Check]:
        return self._checks

    async def _postgres_answers(self) -> None:
        await self.pool.fetchval("SELECT count(*) FROM migrations")

    async def _kafka_answers(self) -> bool:
        try:
            await topics.wait_for_kafka(self.settings.cluster, seconds=_KAFKA_ANSWERS_WITHIN)
        except (KafkaError, OSError, TimeoutError):
            return False
        return True

    async def _goes_on(self) -> None:
        if self.is_stopping():
            raise StoppingError

    async def _consumers_run(self) -> None:
        for consumer in self._consumers:
            if (dead := consumer.dead()) is not None:
                raise RuntimeError(f"a {dead} task has died")


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    """What is away, in plain words."""
    try:
        yield
    except Exception as error:
        if is_transient(error):
            raise FatalError(f"{what}: {type(error.__cause__ or error).__name__}") from error
        raise


def configure_logging(service: str, settings: ServiceSettings) -> None:
    """Call first in `__main__`."""
    log.configure(service, settings.log_level)
