"""`make bench-matched`: from `candidate-profiles` to stored memberships and their topic, in one worker, beside a bare loop.

10,000 pools of `matching_data` are in force (BENCH_ARGS: others). Each round is people whom nobody knew (all that fits them is joined),
and then the same people with another profile (the difference is written). Theirs: a bare loop of consume, one upsert a batch, produce; once
of the records alone, and once with a row for each membership that ours stored of people who were new. Every round compares what was stored
and what the topic says last with the naive rules, for some of the people.
"""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg

from services.pool_matching.decisions import YEARS_STEPS, asks, findable, matches
from services.pool_matching.model import Consent, Person, Pool
from shared.contracts.signup import CandidateProfileChangedV1, CoarseProfile
from shared.contracts.topics import CANDIDATE_PROFILES, MEMBERSHIPS
from shared.facts import Known
from shared.ids import new_candidate_id
from shared.messaging.envelope import Outgoing, encode
from shared.messaging.producer import Producer
from shared.messaging.reading import read_to_the_end
from tests.bench import backfill
from tests.bench import matching_data as data
from tests.bench.backfill import Matcher
from tests.bench.harness import Figure, alone, compared, interleaved, say, tell
from tests.bench.intake import said
from tests.signing import signed_by

POOLS, PEOPLE, ROUNDS = 10_000, 5_000, 5
"""People of a round."""
_KNOWN = 2_000
"""Kinds of people; of each round they are others."""
_CHECKED = 40
_WITHIN = 300.0
_LATER = timedelta(days=400)
"""No tick tells of these pools: what employers see is not what is measured."""
_CONSENTED = """
INSERT INTO persons (candidate, consent_version, consent)
SELECT candidate, 1, consent::jsonb FROM unnest($1::text[], $2::text[]) AS one (candidate, consent)
"""
_STAND = "SELECT min(profile_version) FROM persons WHERE candidate = ANY($1)"
_WAITS = "SELECT EXISTS (SELECT FROM outbox)"
"""A row leaves the outbox once Kafka has it."""


@dataclass
class Service(Matcher):
    """A worker of matching and a bare loop on the same servers."""

    pools_in_force: list[Pool] = field(default_factory=list)
    present: dict[str, Person] = field(default_factory=dict)
    """Of this round."""
    version: int = 0
    joined: int = 0
    """Memberships that the last round of new people stored."""
    spent_on: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {"new": [], "changed": []})

    def new(self) -> float:
        """People in a second whom nobody knew."""
        self.version, self.present = 1, _others(self.version)
        taken = asyncio.run(self._decided("new"))
        self.joined = self.rows("SELECT count(*) FROM memberships WHERE candidate = ANY($1)", list(self.present))
        return taken

    def changed(self) -> float:
        """The same people in a second, each with another profile."""
        self.version += 1
        self.present = {who: _changed(one, self.version) for who, one in self.present.items()}
        return asyncio.run(self._decided("changed"))

    async def _decided(self, what: str) -> float:
        connection = await asyncpg.connect(self.dsn)
        if what == "new":
            consents = [_halves(one)[1].model_dump_json() for one in self.present.values()]
            await connection.execute(_CONSENTED, list(self.present), consents)
        before = self.spent()
        _stop(self.worker)
        await self.produce(CANDIDATE_PROFILES.name, self.records())
        last, began = list(self.present)[-200:], time.perf_counter()
        _go_on(self.worker)
        async with asyncio.timeout(_WITHIN):
            while await connection.fetchval(_STAND, last) < self.version or await connection.fetchval(_WAITS):  # noqa: ASYNC110 - another process has no event here
                await asyncio.sleep(0.02)
        took = time.perf_counter() - began
        assert await connection.fetchval(_STAND, list(self.present)) == self.version, "some were not decided"
        worker, postgres = self.spent()
        self.spent_on[what].append(((worker - before[0]) / PEOPLE, (postgres - before[1]) / PEOPLE))
        await self._compared(connection)
        await connection.close()
        return PEOPLE / took

    async def _compared(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """What is stored, and what the topic says last, is what the rules find one pool at a time."""
        some, now = dict(random.Random(7).sample(sorted(self.present.items()), _CHECKED)), datetime.now(UTC)  # noqa: S311 - a sample
        said_last: dict[str, Any] = {}
        async for records in read_to_the_end(self.kafka, [MEMBERSHIPS], client_id="bench"):
            for record in records:
                told = json.loads(record.value or b"null")
                if (
                    told
                    and told["candidate"] in some
                    and told["version"] >= said_last.get(told["candidate"], told)["version"]
                ):
                    said_last[told["candidate"]] = told
        for who, person in some.items():
            fits = {pool.id for pool in self.pools_in_force if matches(person, pool, now)}
            rows = await connection.fetch("SELECT pool FROM memberships WHERE candidate = $1", who)
            assert {row["pool"] for row in rows} == fits, "stored is what the rules do not find"
            assert {one["pool"] for one in said_last.get(who, {"pools": []})["pools"]} == fits, (
                "the topic says something else"
            )

    def records(self) -> list[Outgoing]:
        """Their profiles, as signup says them."""
        at = datetime.now(UTC)
        return [
            encode(
                CandidateProfileChangedV1(candidate=who, version=self.version, profile=_halves(one)[0]), source="signup", at=at
            )
            for who, one in self.present.items()
        ]  # fmt: skip

    async def produce(self, topic: str, records: Sequence[Outgoing]) -> None:
        """As signup."""
        producer = Producer(
            self.kafka, idempotence=self.servers.idempotence, client_id="bench", signer=signed_by("signup")
        )
        await producer.start()
        for first in range(0, len(records), 500):
            await producer.send([
                Outgoing(topic, one.key, one.value, one.headers) for one in records[first : first + 500]
            ])  # fmt: skip
        await producer.stop()

    def bare_loop(self, rows: int = 1) -> float:
        """The records of this round through a bare loop, which writes so many rows of each."""
        bare = self.process(
            "tests.bench.bare", "loop", self.servers.kafka, self.events.name, self.ended.name, self.dsn, str(PEOPLE),
            "without", str(rows), stdin=subprocess.PIPE,
        )  # fmt: skip
        said(bare, b"ready")
        asyncio.run(self.produce(self.events.name, self.records()))
        began = time.perf_counter()
        assert bare.stdin
        bare.stdin.write(b"\n")
        bare.stdin.flush()
        said(bare, b"done")
        took = time.perf_counter() - began
        said(bare, b"hashed")
        bare.wait(_WITHIN)
        return PEOPLE / took


def _stop(pid: int) -> None:
    """For moments: who is gone for seconds loses its place in the group."""
    subprocess.run(["kill", f"-{signal.SIGSTOP.value}", str(pid)], check=True)


def _go_on(pid: int) -> None:
    subprocess.run(["kill", f"-{signal.SIGCONT.value}", str(pid)], check=True)


def _halves(person: Person) -> tuple[CoarseProfile, Consent]:
    found = findable(person, datetime.now(UTC))
    assert found is not None
    return found


def _others(seed: int) -> dict[str, Person]:
    """People of the same kinds under new ids."""
    kinds = data.people(_KNOWN, seed=100 + seed)
    drawn = random.Random(seed).choices(kinds, k=PEOPLE)  # noqa: S311 - invented
    return {(who := new_candidate_id()): Person.of(who, one.profile, one.consent, data.SOC) for one in drawn}


def _changed(person: Person, version: int) -> Person:
    """They have more or less experience."""
    profile, consent = _halves(person)
    years = YEARS_STEPS[(YEARS_STEPS.index(profile.years or 0) + version) % len(YEARS_STEPS)]
    return Person.of(person.candidate, Known(profile.model_copy(update={"years": years})), Known(consent), data.SOC)


async def _fill(bench: Service, count: int) -> None:
    """Pools that everybody was held against long since, as of a tick that is not over."""
    bench.pools_in_force = list(data.pools(count))
    now = datetime.now(UTC)
    connection = await asyncpg.connect(bench.dsn)
    await connection.executemany(
        "INSERT INTO pools (pool, employer, version, name, criteria, created_at, change, asks, asks_since, asks_as_of)"
        " VALUES ($1, $2, 1, $3, $4::text::jsonb, $5, $6, $7, 1, 1)",
        [
            (one.id, one.employer, one.name, one.criteria.model_dump_json(exclude_defaults=True), now, place, asks(one.criteria))
            for place, one in enumerate(bench.pools_in_force, 1)
        ],
    )  # fmt: skip
    await connection.execute("UPDATE pool_changes SET last_change = $1", count)
    await connection.execute(
        "INSERT INTO evaluations (pool, version, employer, done) SELECT pool, 1, employer, true FROM pools"
    )
    await connection.execute(
        "INSERT INTO listings (pool, employer, told_at, made_for) SELECT pool, employer, $1, 1 FROM pools", now + _LATER
    )
    await connection.execute("ANALYZE")
    await connection.close()


@contextmanager
def started(count: int) -> Iterator[Service]:
    """Servers, pools, a worker that knows them."""
    with backfill.started(Service) as bench:
        asyncio.run(_fill(bench, count))
        bench.worker = bench.matching("worker", bench.ports[0]).pid
        bench.postgres = backfill.postmaster(bench.dsn)
        yield bench


def main() -> None:
    """`python -m tests.bench.matched [POOLS]`."""
    figures: list[Figure] = []
    for count in [int(one) for one in sys.argv[1:]] or [POOLS]:
        with started(count) as bench:
            bench.new()  # warm
            bench.spent_on["new"].clear()
            each = round(bench.joined / PEOPLE)
            found = interleaved(
                {
                    "new": bench.new,
                    "changed": bench.changed,
                    "bare loop": bench.bare_loop,
                    "bare loop with memberships": partial(bench.bare_loop, each),
                },
                rounds=ROUNDS,
            )
            say(f"{bench.joined / PEOPLE:.1f} memberships a person")
            at = f"{count:,} pools"
            figures += [
                compared(f"{at}: changed profiles; a bare loop", found["changed"], found["bare loop"], unit="1/s", goal="ratio 0.5"),
                compared(f"{at}: new people; a bare loop", found["new"], found["bare loop"], unit="1/s", goal="said"),
                compared(f"{at}: new people; a bare loop with as many rows ({each} a person)", found["new"],
                         found["bare loop with memberships"], unit="1/s", goal="said"),
            ]  # fmt: skip
            for what, spent in bench.spent_on.items():
                figures += [
                    alone(f"{at}: {what}: the worker's processor time", [one * 1e6 for one, _ in spent], unit="µs/person", goal="said"),
                    alone(f"{at}: {what}: PostgreSQL's", [one * 1e6 for _, one in spent], unit="µs/person", goal="said"),
                ]  # fmt: skip
    tell("matched", figures, rounds=ROUNDS)


if __name__ == "__main__":
    main()
