"""Each service put together as its own `app.py` does it, on real servers, with nothing of it running by itself."""

import importlib
import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from services.signup.vault.keepers.file import FileKeeper
from services.signup.vault.watching import EpochWatch
from shared.contracts.base import Event
from shared.contracts.operator import TenantChangedV1
from shared.messaging.consumer import Consumer
from shared.messaging.envelope import Outgoing, Record, encode
from shared.messaging.producer import Producer
from shared.messaging.relay import Relay
from shared.messaging.unit import Unit, headers_from_json
from shared.postgres.pool import open_pool
from shared.security.tenant_keys import hash_key, new_key
from shared.service import Service
from shared.service.wiring import Wiring
from tests.architecture.test_subscriptions import ENVIRONMENT, PROCESSES
from tests.counts import counting
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.keeper import begun
from tests.integration.outreach_gateway.test_gateway import OPEN as AT
from tests.integration.outreach_gateway.test_gateway import clock_at
from tests.signing import verifier
from tests.stack import Servers

SUBJECT_KEY = bytes(range(64))
_DATABASE_OF = {"courier": "signup"}


class _Sent:
    """A relay that has sent everything already."""

    in_doubt = False

    def committed(self, unit: Unit) -> None: ...

    async def has_published(self, outbox_ids: Sequence[int], *, within: timedelta) -> bool:
        return True


class Kept(Producer):
    """A producer that keeps what it is sent."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def must_answer(self) -> None: ...

    async def send(self, records: Sequence[Outgoing]) -> None:
        counting.note_batch()
        self.records += records


@dataclass(frozen=True, slots=True)
class Heard:
    """A handler as `app.py` wired it: what opens its store, and what else it is given."""

    handle: object
    store: Callable[[Unit], Any]
    given: tuple[Any, ...]


@dataclass
class Process:
    """A service, and hands to give it what comes over Kafka and HTTP."""

    service: Service
    app: FastAPI
    http: httpx.AsyncClient
    keys: dict[str, str]
    heard: list["Heard"]
    kept: Kept

    def given(self, handle: object) -> "Heard":
        """What `app.py` gives to this handler."""
        return next(one for one in self.heard if one.handle is handle)

    def tenant(self, name: str, kind: Any, **more: Any) -> None:
        """One that the service has heard of."""
        self.keys[name] = new_key(name)
        event = TenantChangedV1(
            tenant=name, version=1, kind=kind, name=name, key_hashes=(hash_key(self.keys[name]),), **more
        )
        self.service.tenants.apply(event)

    def auth(self, tenant: str) -> dict[str, str]:
        """The header that lets a tenant in."""
        return {"Authorization": f"Bearer {self.keys[tenant]}"}

    async def takes(self, topic: str, records: Sequence[Record | Event]) -> None:
        """A batch of this topic, as Kafka would give it."""
        found = [one for one in self.service.subscriptions if topic in {each.name for each in one.topics}]
        batch = [one if isinstance(one, Record) else _record(one) for one in records]
        for subscription in found:
            consumer = Consumer(
                subscription, self.service.pool, self.service.clock, self.service.name, timedelta(seconds=1), _fails,
                lambda unit: None, verifier=verifier("take"),
            )  # fmt: skip
            await consumer.process(batch)

    async def leaving(self, topic: str) -> list[Record]:
        """What is in the outbox for this topic or was sent past it, taken out."""
        rows = await self.service.pool.fetch("DELETE FROM outbox RETURNING id, topic, key, value, headers")
        left = [
            Outgoing(row["topic"], row["key"], row["value"], headers_from_json(row["headers"]))
            for row in sorted(rows, key=lambda row: int(row["id"]))
        ]
        sent, self.kept.records = self.kept.records, []
        return [
            Record(one.topic, 0, place, one.key, one.value, one.headers)
            for place, one in enumerate(sent + left)
            if one.topic == topic
        ]


def _fails(error: BaseException) -> None:
    raise error


def _record(event: Event) -> Record:
    out = encode(event, source="test", at=AT)
    return Record(out.topic, 0, 0, out.key, out.value, out.headers)


@asynccontextmanager
async def assembled(name: str, *, servers: Servers, databases: Databases, folder: Path) -> AsyncIterator[Process]:
    """A process by its name; `folder` is for its keys and its clock."""
    heard: list[Heard] = []
    on = Wiring.on

    def noted(self: Wiring, kinds: Any, handle: Any, store: Any, *given: Any, **more: Any) -> None:
        heard.append(Heard(handle, store, given))
        on(self, kinds, handle, store, *given, **more)

    async with databases.lent(*MIGRATIONS_OF[_DATABASE_OF.get(name, name)]) as dsn:
        environment = {**ENVIRONMENT, "KAFKA": servers.kafka, "REDIS": servers.redis, "BATCH": "1000"}
        environment["VAULT_KEYS"] = (folder / "keys").as_uri()
        environment["CLOCK_FILE"] = str(clock_at(AT, folder))  # open in all zones of the 50 states
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Wiring, "on", noted)
            for variable, value in environment.items():
                patch.setenv(f"FAIRPOOL_{variable}", value)
            build = importlib.import_module(f"{PROCESSES[name]}.app").build
            service, app = build(inspect.signature(build).parameters["settings"].annotation())
        pool = await open_pool(dsn, name="counts", connections=1)
        if MIGRATIONS_OF[_DATABASE_OF.get(name, name)] == MIGRATIONS_OF["signup"]:
            await begun(pool, FileKeeper(folder / "keys"))
        service.process._pool, service.process._relay = pool, cast(Relay, _Sent())
        service.process.producer = kept = Kept()
        for resource in service.parts.resources:
            if isinstance(watch := getattr(resource, "__self__", None), EpochWatch):
                await watch.look()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
            yield Process(service, app, http, {}, heard, kept)
        await pool.close()


@pytest.fixture
def starts(
    servers: Servers, databases: Databases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], Any]:
    """Starts a process by its name; what it asks of the servers can be counted."""
    counting.install(monkeypatch)
    return partial(assembled, servers=servers, databases=databases, folder=tmp_path)
