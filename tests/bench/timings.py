"""`make attack-timings`: what the time of an answer tells an employer of the person it writes to.

A stack of its own with the roles apart. One employer, whose software holds refs of everybody in one pool, writes to all of them in an
order that is chance: to people who can be reached, and to people who blocked it, paused, withdrew `contact` or everything, or whose key
is lost. Then it reads each message over and over. All of it is sequential on one connection, which is the quietest that an attacker
can have. A figure is how often the answer about somebody who can't be reached took longer than the one about somebody who can
(ties are halves): 50 % is a coin. "Theirs" is the widest that chance alone makes of as many answers: 19 times of 20 a shuffle of
the same times stays within it.
"""

import asyncio
import random
import statistics
import sys
import time
import uuid
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx

from deploy.local.secrets import signing_key_of
from shared.roles import Role
from shared.security import encoding
from shared.security.links import LinkSigner
from shared.security.member_refs import MemberRefs
from shared.security.sessions import SessionSigner
from shared.security.statements import StatementSigner
from tests.bench.apart import NGINX, started
from tests.bench.flood import EMPLOYER, Bench
from tests.bench.harness import Figure, say, tell

PEOPLE, READS = 60, 40
"""Of each kind; of each message."""
SHUFFLES = 400
REACHED, LOST = "can be reached", "whose key is lost"
_WITHIN = 120.0
_JSON = "application/json"


def choices(now: datetime) -> Mapping[str, str]:
    """By kind, what its people say on their page."""
    later = (now + timedelta(days=30)).isoformat()
    return {
        "who blocked it": f'{{"purposes":["match","contact"],"blocked_employers":["{EMPLOYER}"]}}',
        "who paused": f'{{"purposes":["match","contact"],"paused_until":"{later}"}}',
        "without contact": '{"purposes":["match"]}',
        "who withdrew all": '{"purposes":[]}',
    }


class Attack:
    """One run."""

    def __init__(self, bench: Bench, people: int) -> None:
        self._bench = bench
        self._people = people
        self._kinds: dict[str, list[str]] = {}

    async def play(self) -> list[Figure]:
        """Everything, and what the times come to."""
        bench, said = self._bench, choices(datetime.now(UTC))
        names = [REACHED, LOST, *said]
        bench.gateway = await asyncpg.connect(bench.apart.database("outreach_gateway"))
        await bench.people_join(self._people * len(names))
        pool = await self._pool()
        await self._keep()
        refs = await self._refs(pool)
        for number, name in enumerate(names):
            self._kinds[name] = bench.people[number * self._people : (number + 1) * self._people]
        for name, body in said.items():
            await self._say(self._kinds[name], body)
        await bench.gateway.execute("DELETE FROM candidate_keys WHERE candidate = ANY($1::uuid[])", self._kinds[LOST])
        say(f"{len(refs)} people, {self._people} of each kind")
        async with httpx.AsyncClient(timeout=60, trust_env=False, headers=bench.key(EMPLOYER)) as client:
            kind_of = {one: name for name, people in self._kinds.items() for one in people}
            sent = await self._write(client, refs)
            written = {one: [took] for one, (_, took) in sent.items()}
            early = await self._read(client, {one: id for one, (id, _) in sent.items()})
            await self._until_decided([id for id, _ in sent.values()])
            late = await self._read(client, {one: id for one, (id, _) in sent.items()})
        figures = []
        for what, times in {"writing": written, "reading, at once": early, "reading, once decided": late}.items():
            by_kind: dict[str, list[float]] = defaultdict(list)
            for one, took in times.items():
                by_kind[kind_of[one]] += took
            figures += [told_apart(f"{what}: {name}", by_kind[name], by_kind[REACHED]) for name in names[1:]]
        return figures

    async def _pool(self) -> str:
        body = {"name": "nurses", "occupations": ["29-1141"], "states": ["CO"]}
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            answer = await client.post(
                f"{self._bench.url('pool_matching', Role.EDGE)}/v1/pools", json=body, headers=self._bench.key(EMPLOYER)
            )
        return str(answer.json()["id"])

    async def _keep(self) -> None:
        """All of them let be shown what was told of them: only then they are in a pool."""
        room = asyncio.Semaphore(8)
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:

            async def keep(one: str) -> None:
                url = f"{self._bench.url('signup')}/profile/{self._bench.token(one, 'confirm')}"
                async with room:
                    told = (await client.get(url, headers={"Accept": _JSON})).json()["proposed"]
                    kept = {"keep": [item["id"] for item in told if item["field"] != "titles"]}
                    answer = await client.post(url, json=kept)
                assert answer.status_code in (200, 202), answer.text

            await asyncio.gather(*map(keep, self._bench.people))

    async def _refs(self, pool: str) -> dict[str, str]:
        """By candidate, as matching makes them; once the gateway knows that they are in the pool, and their keys."""
        known = (
            "SELECT candidate::text AS id, generation FROM memberships JOIN candidate_keys USING (candidate)"
            " WHERE pools IS NOT NULL AND cardinality(pools) > 0"
        )
        rows = await _rows(self._bench.gateway, known, (), len(self._bench.people))
        refs = MemberRefs(encoding.decode(self._bench.apart.kept.keys["FAIRPOOL_MEMBER_REF_KEY"]))
        return {row["id"]: refs.make(row["id"], EMPLOYER, pool, row["generation"] or 0) for row in rows}

    async def _say(self, people: Sequence[str], body: str) -> None:
        for one in people:
            path = f"/confirm/{self._bench.token(one, 'confirm')}"
            status = await self._bench.ask(path, body.encode(), _JSON, Counter())
            assert status in (200, 202), status
        heard = "SELECT candidate FROM consents WHERE candidate = ANY($1::uuid[]) AND version > 1"
        await _rows(self._bench.gateway, heard, (people,), len(people))

    async def _write(self, client: httpx.AsyncClient, refs: Mapping[str, str]) -> dict[str, tuple[str, float]]:
        url = f"{self._bench.url('outreach_gateway', Role.EDGE)}/v1/outreach"
        sent = {}
        for one, ref in random.sample(sorted(refs.items()), len(refs)):
            body, headers = _message(ref), {"Idempotency-Key": uuid.uuid4().hex}
            while True:
                began = time.perf_counter()
                answer = await client.post(url, json=body, headers=headers)
                took = time.perf_counter() - began
                if answer.status_code != 429:
                    break
                await asyncio.sleep(float(answer.headers["retry-after"]))
            assert answer.status_code == 202, answer.text
            sent[one] = (str(answer.json()["id"]), took)
        return sent

    async def _read(self, client: httpx.AsyncClient, sent: Mapping[str, str]) -> dict[str, list[float]]:
        url = f"{self._bench.url('outreach_gateway', Role.EDGE)}/v1/outreach"
        times: dict[str, list[float]] = defaultdict(list)
        order = [one for one in sent for _ in range(READS)]
        random.shuffle(order)
        for one in order:
            began = time.perf_counter()
            answer = await client.get(f"{url}/{sent[one]}")
            took = time.perf_counter() - began
            if answer.status_code == 429:
                await asyncio.sleep(float(answer.headers["retry-after"]))
                continue
            assert answer.json()["state"] == "waiting", answer.text
            times[one].append(took)
        return times

    async def _until_decided(self, sent: Sequence[str]) -> None:
        decided = "SELECT id FROM outreach WHERE id = ANY($1) AND state <> 'submitted'"
        lost = len(self._kinds[LOST])
        await _rows(self._bench.gateway, decided, (sent,), len(sent) - lost)


def told_apart(what: str, ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """How often one of ours took longer than one of theirs, in percent, beside the widest that chance makes of them."""
    found = longer(ours, theirs)
    both, rng, shuffled = [*ours, *theirs], random.Random(1), []  # noqa: S311 - no secret
    for _ in range(SHUFFLES):
        rng.shuffle(both)
        shuffled.append(abs(longer(both[: len(ours)], both[len(ours) :]) - 0.5))
    wide = sorted(shuffled)[int(SHUFFLES * 0.95)]
    apart = abs(statistics.median(ours) - statistics.median(theirs)) * 1000
    return Figure(
        f"{what} (medians {apart:.2f} ms apart)", found * 100, (0.5 + wide) * 100, "%", None, 0.0, "50 ± chance"
    )


def longer(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The share of all pairs in which ours is longer; ties are halves."""
    ordered = sorted(theirs)
    won = sum((bisect_left(ordered, one) + bisect_right(ordered, one)) / 2 for one in ours)
    return won / (len(ours) * len(theirs))


async def _rows(connection: asyncpg.Connection, query: str, values: Sequence[Any], count: int) -> Sequence[Any]:
    give_up = time.monotonic() + _WITHIN
    while len(rows := await connection.fetch(query, *values)) < count:
        assert time.monotonic() < give_up, f"{len(rows)} of {count} in time"
        await asyncio.sleep(0.05)
    return list(rows)


def _message(ref: str) -> dict[str, Any]:
    today = datetime.now(UTC).date()
    return {
        "member_ref": ref, "subject": "A night shift", "body": "Hello,\n\nwe would like to talk.\n",
        "expires_at": (today + timedelta(days=10)).isoformat(),
        "job": {
            "title": "Registered nurse", "occupation": "29-1141", "organization": "Denver Health", "location": "Denver, CO",
            "remote": False, "pay": {"min": 82000, "max": 96000, "currency": "USD", "per": "year"},
            "url": "https://jobs.example.org/42", "valid_through": (today + timedelta(days=40)).isoformat(),
        },
    }  # fmt: skip


def main() -> None:
    """`python -m tests.bench.timings [PEOPLE]`, so many of each kind."""
    people = int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE
    with started() as apart:
        say(f"ready, {'behind nginx' if NGINX else 'without nginx'}")
        keys = apart.kept.keys
        seed, subject = (encoding.decode(keys[f"FAIRPOOL_LINK_{name}_KEY"]) for name in ("SIGNING", "SUBJECT"))
        signing = encoding.decode(keys[signing_key_of("signup")])
        signup, sessions = StatementSigner(signing), SessionSigner(signing, subject)
        figures = asyncio.run(Attack(Bench(apart, LinkSigner(seed, subject, signup), sessions), people).play())
    tell("timings", figures, rounds=1)


if __name__ == "__main__":
    main()
