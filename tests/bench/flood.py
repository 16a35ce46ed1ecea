"""`make bench-flood`: how long a withdrawal takes beside an adversary's flood, and without it.

A stack of its own with the roles apart, behind the shipped nginx where there is one. While `flooding.py` plays, people withdraw:
half by their mail's one-click link (`POST /u/{token}`), half on their page (`POST /me`), each from an address of their own, at a
steady rate whether or not answers come. It is measured from the request (its retries included: a 429 or 503 is asked again as
it says) to the answer, to the record on `consent-state`, and to the row that the gateway decides by. "Theirs" is the same
without the flood, in turns. Afterwards each withdrawal has to hold: Kafka's last record and the gateway's row say no, or it
ends with an error.
"""

import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.secrets import signing_key_of
from shared.contracts.topics import CONSENT_STATE
from shared.roles import Role
from shared.security import encoding
from shared.security.links import Link, LinkPurpose, LinkSigner
from shared.security.sessions import SessionSigner
from shared.security.statements import StatementSigner
from tests.bench.apart import NGINX, Apart, started
from tests.bench.harness import Figure, say, spread, tell

ROUNDS, PEOPLE, EVERY = 4, 40, 0.12
"""In each round, with the flood and without; seconds between two withdrawals."""
WARM_UP = 4
EMPLOYER, FLOODER, VENDOR = "emp_denverhealth", "emp_tidewater", "acme-ats"
_WITHIN = 60.0
_FORM = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class Times:
    """Of one round, in seconds."""

    answered: dict[str, float] = field(default_factory=dict)
    on_kafka: dict[str, float] = field(default_factory=dict)
    at_gateway: dict[str, float] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)


@dataclass
class Bench:
    """A running stack, its people, and what was seen on Kafka."""

    apart: Apart
    signer: LinkSigner
    sessions: SessionSigner
    gateway: asyncpg.Connection = field(init=False)
    people: list[str] = field(default_factory=list)
    seen: dict[str, float] = field(default_factory=dict)
    """By candidate: when the record without a purpose came."""
    last: dict[str, tuple[int, Sequence[str]]] = field(default_factory=dict)
    _addresses: int = 0

    def url(self, service: str, role: Role = Role.PAGES) -> str:
        return f"http://127.0.0.1:{self.apart.doors[service, role]}"

    def key(self, tenant: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.apart.kept.tenant_keys[tenant]}"}

    def token(self, candidate: str, purpose: LinkPurpose) -> str:
        now = datetime.now(UTC)
        employer = EMPLOYER if purpose == "unsubscribe" else None
        return self.signer.sign(Link(candidate, purpose, now + timedelta(days=1), employer, now))

    # What is there before

    async def people_join(self, count: int) -> None:
        """So many are told of by a vendor, and allow both purposes."""
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            for first in range(0, count, 100):
                events = [_signed_up(number) for number in range(first, min(first + 100, count))]
                answer = await client.post(
                    f"{self.url('signup', Role.EDGE)}/v1/events", content=json.dumps(events),
                    headers={**self.key(VENDOR), "Content-Type": "application/cloudevents-batch+json"},
                )  # fmt: skip
                assert answer.json()["accepted"] == len(events), answer.text
        self.people = await self._until_known(count)
        room = asyncio.Semaphore(8)

        async def allow(candidate: str) -> None:
            async with room:
                status = await self.ask(
                    f"/confirm/{self.token(candidate, 'confirm')}", b'{"purposes":["match","contact"]}',
                    "application/json", Counter(),
                )  # fmt: skip
                assert status in (200, 202), status

        await asyncio.gather(*(allow(candidate) for candidate in self.people))
        await _until(lambda: self._at_gateway(self.people, contact=True), len(self.people))

    async def _until_known(self, count: int) -> list[str]:
        signup = await asyncpg.connect(self.apart.database("signup"))
        consent = await asyncpg.connect(self.apart.database("consent"))
        try:
            await _until(lambda: signup.fetch("SELECT FROM candidates"), count)
            found = [str(row["id"]) for row in await signup.fetch("SELECT candidate AS id FROM candidates")]
            await _until(lambda: consent.fetch("SELECT FROM introductions"), count)
            return found
        finally:
            await signup.close()
            await consent.close()

    async def pools(self, count: int) -> list[str]:
        """The flooder's own."""
        made = []
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            for number in range(count):
                body = {"name": f"pool {number}", "occupations": ["29-1141"], "states": ["CO"]}
                answer = await client.post(
                    f"{self.url('pool_matching', Role.EDGE)}/v1/pools", json=body, headers=self.key(FLOODER)
                )
                made.append(answer.json()["id"])
        return made

    # A round

    async def withdraw(self, people: Sequence[str]) -> Times:
        """All of them, at a steady rate; returns when every effect was seen."""
        times, began = Times(), {}

        async def one(number: int, candidate: str) -> None:
            await asyncio.sleep(number * EVERY)
            by_mail = number % 2 == 0
            token = self.token(candidate, "unsubscribe")
            now = datetime.now(UTC)
            session = self.sessions.start(candidate, at=now, said_by=now).token
            began[candidate] = time.perf_counter()
            if by_mail:
                status = await self.ask(f"/u/{token}", b"List-Unsubscribe=One-Click", _FORM, times.statuses)
            else:
                kind = f"application/json\r\nAuthorization: Bearer {session}"
                status = await self.ask("/me", b'{"purposes":[]}', kind, times.statuses)
            assert status in (200, 202), status
            times.answered[candidate] = time.perf_counter() - began[candidate]

        looking = asyncio.create_task(self._look_at_gateway(people, began, times))
        await asyncio.gather(*(one(number, candidate) for number, candidate in enumerate(people)))
        await asyncio.wait_for(looking, _WITHIN)
        await _until(lambda: [one for one in people if one in self.seen], len(people))
        times.on_kafka = {one: self.seen[one] - began[one] for one in people}
        return times

    async def _look_at_gateway(self, people: Sequence[str], began: Mapping[str, float], times: Times) -> None:
        while len(times.at_gateway) < len(people):
            waiting = [one for one in people if one in began and one not in times.at_gateway]
            for candidate in await self._at_gateway(waiting, contact=False) if waiting else ():
                times.at_gateway[candidate] = time.perf_counter() - began[candidate]
            await asyncio.sleep(0.02)

    async def _at_gateway(self, people: Sequence[str], *, contact: bool) -> list[str]:
        statement = "SELECT candidate::text AS id FROM consents WHERE candidate = ANY($1::uuid[]) AND contact = $2"
        return [row["id"] for row in await self.gateway.fetch(statement, people, contact)]

    async def ask(self, path: str, raw: bytes, kind: str, statuses: Counter[str]) -> int:
        """The status, once it is none that asks to come again; from a new connection and an address of its own."""
        self._addresses += 1
        address = f"127.1.{self._addresses // 200}.{self._addresses % 200 + 1}"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n"
        request = f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw
        give_up = time.monotonic() + _WITHIN
        while True:
            try:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self.apart.doors["consent", Role.PAGES], local_addr=(address, 0)
                )
                writer.write(request)
                answer = await reader.read()
                writer.close()
                status = int(answer.split(b" ", 2)[1])
            except (OSError, IndexError):
                status = 0
            statuses[str(status or "closed")] += 1
            if status not in (0, 429, 503) or time.monotonic() > give_up:
                return status
            await asyncio.sleep(1.0)

    async def read_kafka(self) -> None:
        """Notes when each person's record came, until cancelled."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.apart.servers.kafka, fetch_max_wait_ms=50)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(CONSENT_STATE.name, number) for number in range(CONSENT_STATE.partitions)])
            await consumer.seek_to_beginning()
            async for record in consumer:
                state = json.loads(record.value or b"{}")
                if state.get("candidate"):
                    self.last[state["candidate"]] = (state["version"], state["purposes"])
                    if not state["purposes"] and state["version"] > 1:
                        self.seen.setdefault(state["candidate"], time.perf_counter())
        finally:
            await consumer.stop()


def _signed_up(number: int) -> dict[str, Any]:
    person = {"given_name": "Ana", "family_name": "Ruiz", "emails": [f"flood{number}@example.org"]}
    profile = {"titles": ["Registered nurse"], "occupations": ["29-1141"], "state": "CO", "postal_code": "80202"}
    told = {"employer": EMPLOYER, "record": f"flood-{number}", "person": person, "profile": profile}
    return {
        "specversion": "1.0", "id": uuid.uuid4().hex, "source": VENDOR, "type": "candidate.signed_up", "data": told,
    }  # fmt: skip


async def _until(ask: Any, count: int) -> None:
    give_up = time.monotonic() + _WITHIN
    while True:
        found = ask()
        found = await found if asyncio.iscoroutine(found) else found
        if len(found) >= count:
            return
        assert time.monotonic() < give_up, f"{len(found)} of {count} in time"
        await asyncio.sleep(0.05)


class Adversary:
    """The other program."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-m", "tests.bench.flooding"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._say(json.dumps(told))
        assert self._hear() == "ready"
        self.answers: Counter[str] = Counter()
        self.seconds = 0.0

    def begins(self) -> None:
        self._say("go")
        self.seconds -= time.monotonic()

    def pauses(self) -> None:
        self._say("stop")
        self.seconds += time.monotonic()
        self.answers.update(json.loads(self._hear()))

    def ends(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


async def play(bench: Bench, rounds: int) -> list[Figure]:
    """All rounds, and what they come to."""
    bench.gateway = await asyncpg.connect(bench.apart.database("outreach_gateway"))
    reading = asyncio.create_task(bench.read_kafka())
    await bench.people_join(rounds * 2 * PEOPLE)
    names = ("signup", "consent", "pool_matching")
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        described = [(await client.get(f"{bench.url(name, Role.EDGE)}/openapi.json")).json() for name in names]
    ports = [bench.apart.doors[name, Role.EDGE] for name in names]
    adversary = Adversary(
        {"ports": ports, "described": described, "key": bench.apart.kept.tenant_keys[FLOODER], "pools": await bench.pools(20)}
    )  # fmt: skip
    found: dict[str, list[Times]] = {"with": [], "without": []}
    busy: dict[str, Counter[str]] = {how: Counter() for how in found}
    try:
        left = list(bench.people)
        for number in range(rounds):
            for how in found:
                people, left = left[:PEOPLE], left[PEOPLE:]
                before = _processors(bench)
                if how == "with":
                    adversary.begins()
                    await asyncio.sleep(WARM_UP)
                found[how].append(await bench.withdraw(people))
                if how == "with":
                    adversary.pauses()
                    await asyncio.sleep(1)
                busy[how] += _processors(bench) - before
                slowest = max(found[how][-1].answered.values())
                say(
                    f"round {number + 1} of {rounds}, {how} the flood: slowest answer {slowest:.2f} s {dict(found[how][-1].statuses)}"
                )
    finally:
        adversary.ends()
    await _holds(bench)
    reading.cancel()
    for how, used in busy.items():
        say(
            f"seconds of CPU {how} it: {', '.join(f'{name} {spent / 1000:.1f}' for name, spent in used.most_common(6))}"
        )
    say(f"the flood got in {adversary.seconds:.0f} s: {dict(sorted(adversary.answers.items()))}")
    return [
        figure
        for what, pick in {"to its answer": "answered", "to Kafka": "on_kafka", "to the gateway's row": "at_gateway"}.items()
        for figure in _figures(what, pick, found)
    ]  # fmt: skip


def _processors(bench: Bench) -> Counter[str]:
    """Milliseconds that each process has had so far."""
    used: Counter[str] = Counter()
    for (name, role), pid in bench.apart.pids.items():
        times = psutil.Process(pid).cpu_times()
        used[f"{name}-{role}"] = round((times.user + times.system) * 1000)
    return used


async def _holds(bench: Bench) -> None:
    """Each withdrawal that was answered is so, everywhere."""
    assert not [one for one in bench.people if bench.last[one][1]], "Kafka's last record has a purpose"
    refusing = await bench._at_gateway(bench.people, contact=False)
    assert set(refusing) == set(bench.people), "the gateway would still write to somebody"


def _figures(what: str, pick: str, found: Mapping[str, Sequence[Times]]) -> list[Figure]:
    rounds = {how: [sorted(getattr(one, pick).values()) for one in times] for how, times in found.items()}
    made = []
    for name, share, goal in (("median", 0.5, "said"), ("p99", 0.99, "under 2,000")):
        each = {how: [_at(one, share) * 1000 for one in values] for how, values in rounds.items()}
        whole = {how: _at(sorted(itertools.chain(*values)), share) * 1000 for how, values in rounds.items()}
        ratios = [one / other for one, other in zip(each["with"], each["without"], strict=True)]
        made.append(
            Figure(f"{what}, {name}", whole["with"], whole["without"], "ms", statistics.median(ratios), spread(ratios), goal)
        )  # fmt: skip
    return made


def _at(values: Sequence[float], share: float) -> float:
    return values[min(int(len(values) * share), len(values) - 1)]


def main() -> None:
    """`python -m tests.bench.flood [ROUNDS]`."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with started() as apart:
        say(f"ready, {'behind nginx' if NGINX else 'without nginx'}")
        keys = apart.kept.keys
        seed, subject = (encoding.decode(keys[f"FAIRPOOL_LINK_{name}_KEY"]) for name in ("SIGNING", "SUBJECT"))
        signing = encoding.decode(keys[signing_key_of("signup")])
        signup, sessions = StatementSigner(signing), SessionSigner(signing, subject)
        figures = asyncio.run(play(Bench(apart, LinkSigner(seed, subject, signup), sessions), rounds))
    tell("flood", figures, rounds=rounds)


if __name__ == "__main__":
    main()
