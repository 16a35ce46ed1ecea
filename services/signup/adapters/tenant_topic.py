"""Tenants have no rows: their present state is the topic `tenants`, read to its end before each act."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from services.signup.decisions.acting import Replaced, act
from services.signup.decisions.tenants import Refused
from services.signup.ports.tenants import DecideTenant
from shared.contracts.base import Event
from shared.contracts.operator import TenantChangedV1
from shared.messaging.unit import Unit
from shared.postgres.queries import load
from shared.web.tenants import Tenants

SQL = load(Path(__file__).parent / "queries.sql")
_WITHIN = timedelta(seconds=5)


class CatchUp(Protocol):
    """`Service.catch_up_with_tenants`."""

    def __call__(self, *, within: timedelta) -> Awaitable[None]:
        """Returns once the projection is current."""


class TenantTopic:
    """`ports.TenantBook`: one act at a time over all replicas, each decided on all that was said before it."""

    def __init__(
        self,
        work: Callable[[], AbstractAsyncContextManager[Unit]],
        tenants: Tenants,
        catch_up: CatchUp,
        send: Callable[[Event], Awaitable[None]],
    ) -> None:
        self._work = work
        self._tenants = tenants
        self._catch_up = catch_up
        self._send = send

    async def act(self, decide: DecideTenant) -> TenantChangedV1 | Refused:
        """Returns once Kafka and this process have the new record; raises a transient error when Kafka does not answer."""
        async with self._work() as unit:
            await unit.connection.execute(SQL["lock_tenants"])
            return await act(decide, self._look, self._send)

    async def _look(self) -> tuple[Mapping[str, TenantChangedV1], Replaced]:
        await self._catch_up(within=_WITHIN)
        return dict(self._tenants.records()), self._tenants.replaced
