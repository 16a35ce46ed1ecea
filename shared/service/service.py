"""What `app.py` puts a service together with."""

import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from fastapi import APIRouter, FastAPI

from shared import lifetime, log
from shared.clock import Clock
from shared.contracts.base import Event
from shared.contracts.operator import TenantChangedV1
from shared.contracts.topics import TENANTS
from shared.feed.web import restart_router
from shared.messaging.asyncapi import install_asyncapi
from shared.messaging.envelope import Received, encode, only
from shared.messaging.errors import is_transient
from shared.messaging.follower import Follower, Positions, must_catch_up
from shared.messaging.producer import Producer
from shared.messaging.reconciler import LOOKS_EVERY, Reconciler
from shared.messaging.relay import Relay
from shared.messaging.unit import Unit, unit_of_work
from shared.metrics import PROCESS_ROLE
from shared.postgres.notices import Notices
from shared.postgres.pool import Pool
from shared.roles import Role
from shared.runner.loop import Runner
from shared.runner.postgres import rows_of
from shared.service.declaring import Declaring
from shared.service.parts import Check, Parts
from shared.service.process import Process
from shared.service.wiring import Wiring
from shared.settings import ServiceSettings
from shared.web import home, pages, reading_back
from shared.web.app import create_app
from shared.web.health import ClosedError
from shared.web.server import Server
from shared.web.tenants import Tenants

S = TypeVar("S")

_STOPS = 3
"""A failed process may take so many times `stop_within` to leave in order: open requests, consumers, all else."""


@dataclass(slots=True)
class Service(Declaring):
    """The parts of a service, and what its functions need of the process that runs them."""

    name: str
    settings: ServiceSettings
    database: str
    migrations: Path | None = None
    clock: Clock = field(init=False)
    tenants: Tenants = field(default_factory=Tenants)
    parts: Parts = field(init=False)
    process: Process = field(init=False)
    _tenants_projection: Follower = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(self.settings.clock_file)
        runner = Runner(self.work, rows_of, self.clock, self.settings.stop_within, look=self.looks(lambda unit: unit))
        self.parts = Parts(Wiring(self.name), runner, Notices(), self.settings.role, self.migrations)
        runner.tell = self.parts.tell
        PROCESS_ROLE.labels(self.settings.role).set(1)
        self.process = Process(self.name, self.settings, self.database, self.clock, self.parts)
        self.parts.checks.update(
            process=self.process.goes_on, postgres=self.process.postgres_answers, consumers=self.process.consumers_run
        )
        self._tenants_projection = self.follow(TENANTS, self._apply_tenants)

    # What its functions work with

    @property
    def pool(self) -> Pool:
        """The database; there once the service has started."""
        return self.process.pool

    def get_pool(self) -> Pool:
        """`pool`, for what is put together before there is one."""
        return self.process.pool

    def get_producer(self) -> Producer:
        """The process's producer, for what is put together before there is one; it sends what has no row of the outbox."""
        return self.process.producer

    @property
    def relay(self) -> Relay:
        """The outbox relay; there once the service has started."""
        return self.process.relay

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Unit]:
        """A transaction; its events are on their way when the block ends, and nothing is woken where there are none."""
        async with unit_of_work(self.pool, at=self.clock.now(), source=self.name) as unit:
            yield unit
        self.relay.committed(unit)
        self.parts.scheduled(unit.work.queues)

    def stores(self, store: Callable[[Unit], S]) -> Callable[[], AbstractAsyncContextManager[S]]:
        """Opens this store in a transaction of its own, each time it is called."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[S]:
            async with self.work() as unit:
                yield store(unit)

        return opened

    def looks(self, store: Callable[[Unit], S]) -> Callable[[], AbstractAsyncContextManager[S]]:
        """Opens this store for what only reads: without a transaction, each statement for itself."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[S]:
            async with self.pool.acquire() as connection:
                yield store(Unit(connection, self.clock.now(), self.name))

        return opened

    async def has_published(self, outbox_ids: Sequence[int], *, within: timedelta) -> bool:
        """Whether Kafka is known to have these rows of the outbox by then; call it once they are committed.

        They leave in any case: where the database can't even be asked, it is False.
        """
        try:
            return await self.relay.has_published(outbox_ids, within=within)
        except Exception as error:
            if not is_transient(error):
                raise
            return False

    async def catch_up_with_tenants(self, *, within: timedelta) -> None:
        """Returns once `tenants` holds all that was on its topic when this was called; raises a transient error if it can't."""
        await must_catch_up(self._tenants_projection, within=within)

    async def send(self, event: Event) -> None:
        """To Kafka at once, for what has no row: returns when Kafka has it; raises a transient error when it has not."""
        await self.process.producer.send([encode(event, source=self.name, at=self.clock.now())])

    def is_stopping(self) -> bool:
        """Whether the process was told to stop: whatever streams ends now."""
        return self.process.is_stopping()

    # Its faces

    def http(self, title: str, *, signup_url: str | None = None) -> FastAPI:
        """The HTTP face, with health, metrics, docs and AsyncAPI; its lifespan is the process's.

        Its page `/` is for people where `signup_url` says where they join, and else for whoever writes programs for it.
        """
        pages.IMPRINT.operator = self.settings.operator
        app = create_app(
            title,
            self.name,
            lifespan=self._lifespan,
            ready=self._ready,
            is_stopping=self.is_stopping,
            why_closed=lambda: self.process.why_closed,
            limits=self.settings.http_limits,
        )
        app.include_router(home.router(self.settings.operator, self.tenants, title=title, signup_url=signup_url))
        if self.parts.reconciled:
            self._add_read_back(app)
        if self.parts.feeds:
            self.api(app, restart_router(self.parts.feeds, self.tenants))
        install_asyncapi(app, title, self.process.broker, self.parts.wiring.subscriptions)
        return app

    def api(self, app: FastAPI, *routers: APIRouter) -> None:
        """What programs call. Each route is tried in turn, so these come before all others: they are asked the most."""
        others = list(app.router.routes)
        self._offer(app, Role.EDGE, routers)
        app.router.routes[:] = [*app.router.routes[len(others) :], *others]

    def pages(self, app: FastAPI, *routers: APIRouter) -> None:
        """What people open."""
        self._offer(app, Role.PAGES, routers)

    def _offer(self, app: FastAPI, by: Role, routers: Sequence[APIRouter]) -> None:
        if self.parts.has(by):
            for router in routers:
                app.include_router(router)

    def serve(self, app: FastAPI) -> None:
        """Serves until SIGTERM, drains, stops in order; exits with 1 when something in it died."""
        settings, process = self.settings, self.process
        server = Server(
            app,
            host=settings.http_host,
            port=settings.http_port,
            drain_for=settings.drain_for,
            stop_within=settings.stop_within,
            limits=settings.http_limits,
            trusted_proxies=settings.trusted_proxies,
            when_told=lambda: lifetime.exit_at_last(settings.drain_for + _STOPS * settings.stop_within),
            when_started=lifetime.keep_what_is_there,
        )

        def stop() -> None:
            server.should_exit = True
            lifetime.exit_at_last(_STOPS * settings.stop_within)

        process.stop = stop
        process.is_stopping = server.is_stopping
        # uvicorn raises the signal again once it has stopped, and exits with a code of its own where it can't start
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            server.run()
        if process.failed is not None or not (server.started or server.is_stopping()):
            sys.exit(1)

    def _add_read_back(self, app: FastAPI) -> None:
        read_back = Reconciler(
            self.settings.cluster,
            self.parts.reconciled,
            source=self.name,
            own_key=self.process.signer.id,
        )

        async def turn() -> None:
            async with self.work() as unit:
                await read_back.will_begin(unit)
                if is_in_doubt := self.relay.in_doubt:
                    read_back.doubt(unit)
            if is_in_doubt:
                self.relay.in_doubt = False
            await read_back.tell_ahead(self.pool)

        async def ask() -> None:
            async with self.work() as unit:
                read_back.ask(unit)

        self.process.once_replayed = read_back.ask
        for queue in read_back.queues:
            self.parts.works(queue)
        self.every(LOOKS_EVERY, "read_back", turn, by=None)
        topics_reconciled = [reconciled.topic.name for reconciled in self.parts.reconciled]
        self.api(app, reading_back.router(topics_reconciled, ask, self.tenants))

    def _lifespan(self, _: FastAPI) -> AbstractAsyncContextManager[None]:
        return self.process.running()

    async def _ready(self) -> dict[str, Check]:
        return {"restored": self._is_open} if self.process.why_closed else self.parts.checks

    async def _is_open(self) -> None:
        if why := self.process.why_closed:
            raise ClosedError(why)

    async def _apply_tenants(self, received: Sequence[Received[Event]], _: Positions) -> None:
        for item in only(TenantChangedV1, received):
            self.tenants.apply(item.event)


def configure_logging(service: str, settings: ServiceSettings) -> None:
    """Call first in `__main__`."""
    log.configure(service, settings.log_level)
