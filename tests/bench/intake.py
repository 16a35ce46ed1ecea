"""`make bench-intake`: a vendor's webhook, and what becomes of it, beside what one would write first.

- **route**: signed webhooks in a second until Kafka has them (acks=all), while a backlog of new people is worked off. Theirs: a
  bare route that checks the HMAC and produces, beside a process that burns the same slow hashes.
- **profile**: new people in a second, from `ats-events` to their rows in the vault and their event, and on to their invitations,
  each of which takes a slow hash. Theirs: a bare loop of consume, insert, produce, with the same number of hashes.

Every round compares what was answered with what is there: each accepted webhook is on its topic, once; each person has a row.
"""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import asyncpg
import httpx

from deploy.local.ports import free_ports
from shared.contracts.operator import TenantChangedV1
from shared.contracts.topics import ATS_EVENTS, Topic
from shared.messaging import topics
from shared.messaging.envelope import Outgoing, encode
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.reading import read_to_the_end
from shared.postgres.migrate import migrate
from shared.postgres.pool import open_pool
from shared.security.tenant_keys import hash_key, new_key
from tests.architecture.test_subscriptions import ENVIRONMENT
from tests.bench.harness import Figure, compared, interleaved, spread, tell
from tests.databases import MIGRATIONS_OF
from tests.integration.signup.test_events import BATCH, data
from tests.integration.signup.test_hooks import HOOK, SOURCE
from tests.signing import Owners
from tests.stack import Servers

SECONDS, CONNECTIONS, BACKLOG, PEOPLE = 3.0, 32, 1000, 300
_MOST = 12_000
"""Webhooks that a round can post."""
_WITHIN = 600.0


@dataclass
class Bench:
    """Real servers, and on them ours and theirs."""

    servers: Servers
    stack: ExitStack
    dsn: str
    ports: tuple[int, int, int]
    keys: dict[str, str] = field(default_factory=lambda: {name: new_key(name) for name in ("acme", "ops")})
    posted: int = 0
    people: int = 0
    accepted: dict[str, list[int]] = field(default_factory=lambda: {"ours": [], "theirs": []})
    bare: Topic = field(default_factory=lambda: Topic("bare-hooks", "none", "bench", ("bench",), "raw bodies"))
    events: Topic = field(default_factory=lambda: Topic("bare-events", "none", "bench", ("bench",), "people"))
    ended: Topic = field(default_factory=lambda: Topic("bare-ended", "none", "bench", ("bench",), "people"))

    @property
    def kafka(self) -> Kafka:
        return Kafka.plain(self.servers.kafka)

    def process(
        self, *command: str, stdin: int | None = None, environment: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.Popen[bytes]:
        """One that ends with the bench."""
        given = {**os.environ, **{f"FAIRPOOL_{name}": value for name, value in environment.items()}}
        made = subprocess.Popen(
            (sys.executable, "-m", *command), env=given, stdin=stdin, stdout=subprocess.PIPE if stdin else None
        )
        self.stack.callback(_end, made)
        return made

    def signup(self, role: str, port: int) -> subprocess.Popen[bytes]:
        """One process of the service."""
        known = {
            **ENVIRONMENT, "KAFKA": self.servers.kafka, "KAFKA_IDEMPOTENCE": str(self.servers.idempotence), "REDIS": self.servers.redis,
            "SIGNUP_DATABASE": self.dsn, "HTTP_PORT": str(port), "ROLE": role, "LOG_LEVEL": "WARNING", "DRAIN_FOR": "PT0S",
        }  # fmt: skip
        made = self.process("services.signup", environment=known)
        _until(lambda: _answers(f"http://127.0.0.1:{port}/health/ready"))
        return made

    def rows(self, statement: str, *given: object) -> Any:
        """The first value that a statement gives."""

        async def ask() -> Any:
            connection = await asyncpg.connect(self.dsn)
            try:
                return await connection.fetchval(statement, *given)
            finally:
                await connection.close()

        return asyncio.run(ask())

    # The route

    def load(self, who: str, url: str, *, seconds: float = SECONDS, rate: float = 0.0) -> dict[str, Any]:
        """Posts webhooks of people whom nobody knows yet."""
        first, self.posted = 10_000_000 + self.posted, self.posted + _MOST
        client = self.process(
            "tests.bench.load", url, *(str(one) for one in (first, _MOST, CONNECTIONS, seconds, rate)), stdin=subprocess.PIPE
        )  # fmt: skip
        _says(client, b"ready")
        assert client.stdin and client.stdout
        client.stdin.write(b"\n")
        client.stdin.flush()
        found: dict[str, Any] = json.loads(client.stdout.readline())
        assert len(found["accepted"]) == found["posted"], "each webhook is accepted"
        self.accepted[who] += found["accepted"]
        return found

    def hooks(self, port: int) -> float:
        """Webhooks in a second of ours, while people wait for their invitations."""
        self.has_backlog(port)
        found = self.load("ours", f"http://127.0.0.1:{port}{HOOK}")
        assert self.waiting() > 0, "the backlog lasted as long as the round"
        return float(found["posted"] / found["seconds"])

    def has_backlog(self, port: int) -> None:
        """So many people wait for their invitations at least."""
        while (waiting := self.waiting()) < BACKLOG:
            self.tell(port, min(BACKLOG - waiting + 100, 1000))
            _until(lambda: self.registered() == self.people + len(self.accepted["ours"]))

    def tell(self, port: int, count: int) -> None:
        """New people by `POST /v1/events`, a thousand at most."""
        batch = [
            {
                "specversion": "1.0", "id": f"e{self.people + number}", "source": "acme", "type": "candidate.signed_up",
                "data": data(
                    record=f"told-{self.people + number}",
                    person={"given_name": "Ana", "family_name": "Ruiz", "emails": [f"told{self.people + number}@example.org"]},
                ),
            }
            for number in range(count)
        ]  # fmt: skip
        headers = {"Authorization": f"Bearer {self.keys['acme']}", "Content-Type": BATCH}
        answer = httpx.post(f"http://127.0.0.1:{port}/v1/events", json=batch, headers=headers, timeout=60)
        assert answer.json()["accepted"] == count, answer.text
        self.people += count

    def registered(self) -> int:
        return int(self.rows("SELECT count(*) FROM candidates"))

    def waiting(self) -> int:
        return int(self.rows("SELECT count(*) FROM work WHERE queue = 'invitations'"))

    @contextmanager
    def burning(self) -> Iterator[None]:
        """Slow hashes beside, as many threads as ours."""
        burner = self.process("tests.bench.bare", "burn")
        yield
        _end(burner)

    def bare_hooks(self) -> float:
        """Webhooks in a second of theirs."""
        with self.burning():
            found = self.load("theirs", f"http://127.0.0.1:{self.ports[2]}/hook")
        return float(found["posted"] / found["seconds"])

    async def is_all_there(self) -> None:
        """Each webhook that was accepted is on its topic, once."""
        found: dict[str, list[int]] = {"ours": [], "theirs": []}
        async for records in read_to_the_end(self.kafka, [ATS_EVENTS], client_id="bench"):
            found["ours"] += [
                int(record.key.rpartition(b":")[2]) for record in records if record.key and b":denver:" in record.key
            ]
        async for records in read_to_the_end(self.kafka, [self.bare], client_id="bench"):
            found["theirs"] += [
                json.loads(record.value or b"")["payload"]["application"]["candidate"]["id"] for record in records
            ]
        for who, accepted in self.accepted.items():
            assert sorted(found[who]) == sorted(accepted), f"{who}: what was answered is not what is there"

    # From event to profile

    def profiles(self, edge: int, worker: subprocess.Popen[bytes], *, invited: bool) -> float:
        """New people in a second, from their events until their rows (and their invitations) are there."""
        _until(lambda: self.waiting() == 0)
        worker.send_signal(signal.SIGSTOP)
        self.tell(edge, PEOPLE)
        began = time.perf_counter()
        worker.send_signal(signal.SIGCONT)
        expected = self.people + len(self.accepted["ours"])
        _until(lambda: self.registered() == expected and not (invited and self.waiting()))
        passed = time.perf_counter() - began
        return PEOPLE / passed

    def bare_profiles(self, *, hashes: bool) -> float:
        """The same number of records through a bare loop."""
        bare = self.process(
            "tests.bench.bare", "loop", self.servers.kafka, self.events.name, self.ended.name, self.dsn, str(PEOPLE),
            "with" if hashes else "without", stdin=subprocess.PIPE,
        )  # fmt: skip
        _says(bare, b"ready")
        asyncio.run(self._copy_events())
        began = time.perf_counter()
        assert bare.stdin
        bare.stdin.write(b"\n")
        bare.stdin.flush()
        _says(bare, b"done")
        return PEOPLE / (time.perf_counter() - began)

    async def _copy_events(self) -> None:
        producer = Producer(self.kafka, idempotence=self.servers.idempotence, client_id="bench")
        await producer.start()
        at = datetime.now(UTC)
        event = encode(
            TenantChangedV1(tenant="x", version=1, kind="vendor", name="x" * 400, key_hashes=()), source="bench", at=at
        )

        await producer.send([
            Outgoing(self.events.name, os.urandom(16), event.value, event.headers) for _ in range(PEOPLE)
        ])  # fmt: skip
        await producer.stop()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(30)


def _says(process: subprocess.Popen[bytes], word: bytes) -> None:
    assert process.stdout
    line = process.stdout.readline()
    assert line.strip() == word, f"expected {word!r}, found {line!r}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + _WITHIN
    while not condition():
        assert time.monotonic() < give_up, "did not happen in time"
        time.sleep(0.02)


@contextmanager
def started() -> Iterator[Bench]:
    """Servers, topics, tenants, a source, and theirs."""
    with ExitStack() as stack:
        servers = stack.enter_context(Servers())
        dsn = asyncio.run(servers.create_database("bench"))
        bench = Bench(servers, stack, dsn, tuple(free_ports(3)))  # type: ignore[arg-type]  # three
        asyncio.run(_prepare(bench))
        yield bench


async def _prepare(bench: Bench) -> None:
    await topics.create_missing(bench.kafka)
    await topics.create_missing(bench.kafka, [bench.bare, bench.events, bench.ended])
    async with await open_pool(bench.dsn, name="bench") as pool:
        await migrate(pool, *MIGRATIONS_OF["signup"])
    at = datetime.now(UTC)
    producer = Producer(bench.kafka, idempotence=bench.servers.idempotence, client_id="bench", signer=Owners())
    await producer.start()
    tenants = [
        TenantChangedV1(tenant="acme", version=1, kind="vendor", name="acme", key_hashes=(hash_key(bench.keys["acme"]),)),
        TenantChangedV1(tenant="emp_one", version=1, kind="employer", name="emp_one", key_hashes=(), vendor="acme"),
        TenantChangedV1(tenant="ops", version=1, kind="operator", name="ops", key_hashes=(hash_key(bench.keys["ops"]),)),
    ]  # fmt: skip
    await producer.send([encode(one, source="operator", at=at) for one in tenants])
    await producer.stop()


def _add_source(bench: Bench, port: int) -> None:
    headers = {"Authorization": f"Bearer {bench.keys['ops']}"}
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/sources", json=SOURCE, headers=headers, timeout=30)
    assert answer.status_code in (200, 201), answer.text


def _late(found: dict[str, Any]) -> float:
    """p99 in ms."""
    return float(found["took"][int(len(found["took"]) * 0.99)]) * 1000


def route(bench: Bench, edge: int) -> list[Figure]:
    """Webhooks in a second, and how long the slowest hundredth takes at half of that."""
    bench.process("tests.bench.bare", "route", str(bench.ports[2]), bench.servers.kafka, bench.bare.name)
    _until(lambda: _answers(f"http://127.0.0.1:{bench.ports[2]}/docs"))
    for warm in (f"http://127.0.0.1:{edge}{HOOK}", f"http://127.0.0.1:{bench.ports[2]}/hook"):
        bench.load("theirs" if warm.endswith("/hook") else "ours", warm, seconds=1.0)
    found = interleaved({"ours": lambda: bench.hooks(edge), "theirs": bench.bare_hooks})
    half, late = statistics.median(found["ours"]) / 2, []
    for _ in range(3):
        bench.has_backlog(edge)
        late.append(_late(bench.load("ours", f"http://127.0.0.1:{edge}{HOOK}", rate=half)))
    asyncio.run(bench.is_all_there())
    return [
        compared("signed webhook to acks=all, new people worked off", found["ours"], found["theirs"], unit="1/s", goal="ratio 0.8"),
        Figure("p99 at half of that", statistics.median(late), None, "ms", None, spread(late), "under 100"),
    ]  # fmt: skip


def profile(bench: Bench, edge: int, worker: subprocess.Popen[bytes]) -> list[Figure]:
    """People in a second, to their rows and to their invitations."""
    found = interleaved(
        {
            "to profile": lambda: bench.profiles(edge, worker, invited=False),
            "bare loop": lambda: bench.bare_profiles(hashes=False),
            "to invitation": lambda: bench.profiles(edge, worker, invited=True),
            "bare loop with hashes": lambda: bench.bare_profiles(hashes=True),
        }
    )
    return [
        compared("event to invitation, a slow hash each", found["to invitation"], found["bare loop with hashes"],
                 unit="people/s", goal="ratio 0.6"),
        compared("event to profile, hashes not waited for", found["to profile"], found["bare loop"], unit="people/s", goal="said"),
    ]  # fmt: skip


def main() -> None:
    """`python -m tests.bench.intake [route] [profile] [all]`; nothing: route and profile. `all`: the route in one process of all roles."""
    asked = set(sys.argv[1:]) or {"route", "profile"}
    figures: list[Figure] = []
    with started() as bench:
        if "all" in asked:
            bench.signup("all", bench.ports[0])
            _add_source(bench, bench.ports[0])
            figures += route(bench, bench.ports[0])
        else:
            bench.signup("edge", bench.ports[0])
            worker = bench.signup("worker", bench.ports[1])
            _add_source(bench, bench.ports[0])
            if "profile" in asked:
                figures += profile(bench, bench.ports[0], worker)
            if "route" in asked:
                figures += route(bench, bench.ports[0])
    tell("intake", figures)


if __name__ == "__main__":
    main()
