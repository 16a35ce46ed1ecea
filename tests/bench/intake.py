"""`make bench-intake`: a vendor's webhook, and what becomes of it, beside what one would write first.

- **route**: signed webhooks in a second until Kafka has them (acks=all), while a backlog of new people is worked off. Theirs: a
  bare route that checks the HMAC and produces, beside a process that burns the same slow hashes.
- **profile**: new people in a second, from `ats-events` to their rows in the vault and their events, while their invitations
  take a slow hash each, and on to the last invitation. Theirs: a bare loop of consume, insert, produce, with the same number
  of hashes beside it; and without any.

Every round compares what was answered with what is there: each accepted webhook is on its topic, once; each person has a row.
"""

import asyncio
import json
import os
import select
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
from tests.bench.harness import Figure, alone, compared, interleaved, tell
from tests.databases import MIGRATIONS_OF
from tests.integration.signup.test_events import BATCH, data
from tests.integration.signup.test_hooks import HOOK, SOURCE
from tests.signing import Owners, environment_of
from tests.stack import Servers

SECONDS, CONNECTIONS, BACKLOG, PEOPLE = 3.0, 32, 500, 500
_MOST = 12_000
"""Webhooks that a round can post."""
_WITHIN = 300.0
"""Seconds in which anything that is waited for happens: a bench that hangs says where."""


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
    to_the_end: dict[str, list[float]] = field(default_factory=lambda: {"ours": [], "theirs": []})
    """People in a second until the last slow hash was done."""
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
            (sys.executable, "-m", *command),
            env=given,
            stdin=stdin,
            stdout=subprocess.PIPE if stdin else None,
            bufsize=0,
        )  # unbuffered, so that `select` sees each line
        self.stack.callback(end, made)
        return made

    def signup(self, role: str, port: int) -> subprocess.Popen[bytes]:
        """One process of the service."""
        known = {
            **ENVIRONMENT, **{name.removeprefix("FAIRPOOL_"): value for name, value in environment_of("signup").items()},
            "KAFKA": self.servers.kafka, "KAFKA_IDEMPOTENCE": str(self.servers.idempotence), "REDIS": self.servers.redis,
            "SIGNUP_DATABASE": self.dsn, "HTTP_PORT": str(port), "ROLE": role, "LOG_LEVEL": "WARNING", "DRAIN_FOR": "PT0S",
        }  # fmt: skip
        made = self.process("services.signup", environment=known)
        until(lambda: made.poll() is not None or answers(f"http://127.0.0.1:{port}/health/ready"))
        assert made.poll() is None, f"signup as {role} did not start: it has said why"
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
        said(client, b"ready")
        assert client.stdin
        client.stdin.write(b"\n")
        client.stdin.flush()
        found: dict[str, Any] = json.loads(_line(client))
        client.wait(_WITHIN)
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
            until(lambda: self.registered() == self.people + len(self.accepted["ours"]))

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
        end(burner)

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

    def profiles(self, edge: int, worker: subprocess.Popen[bytes]) -> float:
        """New people in a second, from their events until their rows are there; and until they are invited (`to_the_end`)."""
        until(lambda: self.waiting() == 0)
        worker.send_signal(signal.SIGSTOP)
        self.tell(edge, PEOPLE)
        began = time.perf_counter()
        worker.send_signal(signal.SIGCONT)
        asyncio.run(self._are_there("SELECT count(*) FROM candidates", self.people + len(self.accepted["ours"])))
        passed = time.perf_counter() - began
        asyncio.run(self._are_there("SELECT count(*) FROM work WHERE queue = 'invitations'", 0))
        self.to_the_end["ours"].append(PEOPLE / (time.perf_counter() - began))
        return PEOPLE / passed

    async def _are_there(self, statement: str, expected: int) -> None:
        """Asked on one connection: a new one for each question would take the processor from what is measured."""
        connection = await asyncpg.connect(self.dsn)
        try:
            async with asyncio.timeout(_WITHIN):
                while await connection.fetchval(statement) != expected:  # noqa: ASYNC110 - another process has no event here
                    await asyncio.sleep(0.01)
        finally:
            await connection.close()

    def bare_profiles(self, *, hashes: bool) -> float:
        """The same number of records through a bare loop; and until the last of its hashes (`to_the_end`)."""
        bare = self.process(
            "tests.bench.bare", "loop", self.servers.kafka, self.events.name, self.ended.name, self.dsn, str(PEOPLE),
            "with" if hashes else "without", stdin=subprocess.PIPE,
        )  # fmt: skip
        said(bare, b"ready")
        asyncio.run(self._copy_events())
        began = time.perf_counter()
        assert bare.stdin
        bare.stdin.write(b"\n")
        bare.stdin.flush()
        said(bare, b"done")
        passed = time.perf_counter() - began
        said(bare, b"hashed")
        if hashes:
            self.to_the_end["theirs"].append(PEOPLE / (time.perf_counter() - began))
        bare.wait(_WITHIN)
        return PEOPLE / passed

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


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(30)


def _line(process: subprocess.Popen[bytes]) -> bytes:
    """The next that it says; an error when it says nothing in time."""
    assert process.stdout
    there, _, _ = select.select([process.stdout], [], [], _WITHIN)
    assert there, f"{process.args!r} has said nothing for {_WITHIN:.0f} s"
    return process.stdout.readline()


def said(process: subprocess.Popen[bytes], word: bytes) -> None:
    line = _line(process)
    assert line.strip() == word, f"expected {word!r}, found {line!r}"


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def until(condition: Callable[[], bool]) -> None:
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


def route(bench: Bench, edge: int) -> list[Figure]:
    """Webhooks in a second, and how long they take at half of that."""
    bench.process("tests.bench.bare", "route", str(bench.ports[2]), bench.servers.kafka, bench.bare.name)
    until(lambda: answers(f"http://127.0.0.1:{bench.ports[2]}/docs"))
    for warm in (f"http://127.0.0.1:{edge}{HOOK}", f"http://127.0.0.1:{bench.ports[2]}/hook"):
        bench.load("theirs" if warm.endswith("/hook") else "ours", warm, seconds=1.0)
    found = interleaved({"route": lambda: bench.hooks(edge), "bare route": bench.bare_hooks})
    half, took = statistics.median(found["route"]) / 2, []
    for _ in range(3):
        bench.has_backlog(edge)
        took.append(bench.load("ours", f"http://127.0.0.1:{edge}{HOOK}", rate=half)["took"])
    asyncio.run(bench.is_all_there())
    return [
        compared("route: signed webhook to acks=all, new people worked off", found["route"], found["bare route"],
                 unit="1/s", goal="ratio 0.8"),
        alone("route at half load: p50", [_at(0.5, one) for one in took], unit="ms", goal="said"),
        alone("route at half load: p99", [_at(0.99, one) for one in took], unit="ms", goal="under 100"),
    ]  # fmt: skip


def _at(part: float, took: list[float]) -> float:
    """The quantile of seconds that are sorted, in ms."""
    return took[int(len(took) * part)] * 1000


def profile(bench: Bench, edge: int, worker: subprocess.Popen[bytes]) -> list[Figure]:
    """People in a second, to their rows and to their invitations."""
    found = interleaved(
        {
            "profile": lambda: bench.profiles(edge, worker),
            "bare loop, hashes beside": lambda: bench.bare_profiles(hashes=True),
            "bare loop, no hashes": lambda: bench.bare_profiles(hashes=False),
        }
    )
    ours, theirs = found["profile"], bench.to_the_end
    return [
        compared("profile: event to profile, as many hashes beside both", ours, found["bare loop, hashes beside"],
                 unit="people/s", goal="ratio 0.6"),
        compared("profile: the same beside a loop without the hash", ours, found["bare loop, no hashes"],
                 unit="people/s", goal="said"),
        compared("profile: event to the last invitation, a slow hash each", theirs["ours"], theirs["theirs"],
                 unit="people/s", goal="ratio 0.6"),
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
            worker = bench.signup(
                "worker", bench.ports[1]
            )  # first: it makes the key of the vault that the edge waits for
            bench.signup("edge", bench.ports[0])
            _add_source(bench, bench.ports[0])
            if "profile" in asked:
                figures += profile(bench, bench.ports[0], worker)
            if "route" in asked:
                figures += route(bench, bench.ports[0])
    tell("intake", figures)


if __name__ == "__main__":
    main()
