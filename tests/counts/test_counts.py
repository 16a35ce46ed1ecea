"""How many round trips a batch costs on each hot path: as many for 500 as for one, and never more than `baseline.toml` says.

Counts are the same on every machine, so they are gates; times are benches (`make bench`).
"""

import asyncio
import secrets
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.outreach_gateway import handlers as gateway_handlers
from services.outreach_gateway.adapters.kept import SQL as GATEWAY
from services.outreach_gateway.adapters.postgres_epochs import PostgresEpochs
from services.outreach_gateway.rebuild import Rebuild
from services.pool_matching import handlers as matching_handlers
from services.pool_matching.adapters.postgres_listings import PostgresListings
from services.signup.courier.model import ConsentCheck
from services.signup.courier.sending import Sender
from shared.clock import elapsed
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV2
from shared.contracts.outreach_gateway import OutreachDecidedV1, OutreachRequestedV1
from shared.contracts.pool_matching import Membership, MembershipsChangedV1
from shared.contracts.signup import (
    CandidateErasedV1,
    CandidateKeyPublishedV1,
    CandidateProfileChangedV1,
    CandidateRegisteredV1,
    CoarseProfile,
    OutreachOutcomeReportedV1,
)
from shared.contracts.topics import (
    ATS_EVENTS,
    CANDIDATE_EVENTS,
    CANDIDATE_KEYS,
    CANDIDATE_PROFILES,
    CONSENT_STATE,
    ERASURES,
    MEMBERSHIPS,
    OUTREACH_DECISIONS,
    OUTREACH_OUTCOMES,
    OUTREACH_REQUESTS,
    POOLS,
)
from shared.feed.postgres import PostgresFeedWriter
from shared.ids import new_candidate_id
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.relay import Relay
from shared.messaging.unit import SHARDS, Unit, unit_of_work
from shared.security.member_refs import MemberRefs
from shared.security.sessions import SessionSigner
from shared.security.words import KeyPair
from shared.ticks import Ticks
from tests.counts.conftest import SUBJECT_KEY, Process
from tests.counts.counting import Counts, counted
from tests.integration.outreach_gateway.test_gateway import JOB
from tests.integration.outreach_gateway.test_gateway import OPEN as AT
from tests.integration.signup.test_events import BATCH, data
from tests.integration.signup.test_hooks import HOOK, SOURCE, payload, signed
from tests.signing import TICK_KEY, consented, seed_of
from tests.stack import Servers
from tests.waiting import until
from tests.working import jobs_for

BASELINE = Path(__file__).with_name("baseline.toml")
SIZES = 1, 100, 500
ONE = (1,)
LISTED = 5, 100, 400
"""Of a page that is not full."""
"""Of a route that takes one thing."""

Starts = Callable[[str], AbstractAsyncContextManager[Process]]
Act = Callable[[], Awaitable[object]]
Path_ = Callable[[Process, int], Awaitable[Act]]
"""Prepares for so many, and returns what is counted."""


@pytest.fixture(scope="module")
def baseline() -> Mapping[str, Any]:
    """What each path may cost."""
    return tomllib.loads(BASELINE.read_text(encoding="utf-8"))


def people(count: int) -> list[str]:
    return [new_candidate_id() for _ in range(count)]


# signup


async def _events(process: Process, count: int) -> Act:
    batch = [
        {
            "specversion": "1.0",
            "id": secrets.token_hex(8),
            "source": "acme",
            "type": "candidate.signed_up",
            "data": data(
                record=(record := secrets.token_hex(6)),
                person={"given_name": "Ana", "family_name": "Ruiz", "emails": [f"{record}@example.org"]},
            ),
        }
        for _ in range(count)
    ]

    async def act() -> None:
        answer = await process.http.post(
            "/v1/events", json=batch, headers={**process.auth("acme"), "Content-Type": BATCH}
        )
        assert answer.json()["accepted"] == count, answer.text

    return act


async def _webhook(process: Process, _: int) -> Act:
    raw = payload(id=secrets.randbelow(10**9))

    async def act() -> None:
        answer = await process.http.post(HOOK, content=raw, headers=signed(raw, secrets.token_hex(4)))
        assert answer.json()["status"] == "accepted", answer.text

    return act


async def _reports(process: Process, count: int) -> Act:
    await (await _events(process, count))()
    records = await process.leaving(ATS_EVENTS.name)
    assert len(records) == count
    return lambda: process.takes(ATS_EVENTS.name, records)


async def _signup_consents(process: Process, count: int) -> Act:
    await (await _reports(process, count))()
    rows = await process.service.pool.fetch("SELECT candidate::text FROM candidates WHERE confirmed_at IS NULL")
    found = [row["candidate"] for row in rows][:count]
    assert len(found) == count
    return lambda: process.takes(CONSENT_STATE.name, [_consent(one, "match", "contact") for one in found])


def _consent(candidate: str, *purposes: Any, version: int = 1) -> ConsentChangedV2:
    return consented(candidate=candidate, version=version, at=AT, purposes=purposes)


# consent


async def _registered(process: Process, count: int) -> Act:
    events = [CandidateRegisteredV1(candidate=one, at=AT) for one in people(count)]
    return lambda: process.takes(CANDIDATE_EVENTS.name, events)


async def _saves(process: Process, _: int) -> Act:
    now = process.service.clock.now()
    started = SessionSigner(seed_of("signup"), SUBJECT_KEY).start(new_candidate_id(), at=now, said_by=now)
    mine = {"Authorization": f"Bearer {started.token}"}

    async def act() -> None:
        answer = await process.http.post("/me", json={"purposes": ["match", "contact"]}, headers=mine)
        assert answer.status_code == 200, answer.text

    return act


# pool_matching


async def _matched(process: Process, count: int) -> Act:
    events: list[Event] = []
    for one in people(count):
        events.append(_consent(one, "match"))
        events.append(
            CandidateProfileChangedV1(
                candidate=one, version=1, profile=CoarseProfile(occupations=("29-1141",), state="CO")
            )
        )
    return lambda: process.takes(CANDIDATE_PROFILES.name, events)


async def _matching_erased(process: Process, count: int) -> Act:
    await (await _matched(process, count))()
    rows = await process.service.pool.fetch("SELECT DISTINCT candidate FROM memberships LIMIT $1", count)
    assert len(rows) == count
    events = [CandidateErasedV1(candidate=row["candidate"], at=AT) for row in rows]
    return lambda: process.takes(ERASURES.name, events)


async def _evaluated(process: Process, count: int) -> Act:
    pool = process.service.pool
    await pool.execute("TRUNCATE persons, memberships, pools CASCADE")
    await (await _matched(process, count))()
    await _pool(process)
    heard = process.given(matching_handlers.on_candidates_changed)
    at = process.service.clock.now()

    async def step() -> None:
        async with unit_of_work(pool, at=at, source="pool_matching") as unit:
            await matching_handlers.on_turn(heard.store(unit), id_, heard.given[0], Ticks(TICK_KEY))

    id_ = await pool.fetchval("SELECT pool FROM pools")
    await step()  # opens the evaluation
    return step


async def _decided_listing(process: Process, count: int) -> Act:
    pool, ticks = process.service.pool, process.service.settings.ticks  # type: ignore[attr-defined]  # matching's own
    await pool.execute("TRUNCATE persons, memberships, listed, listings CASCADE")
    await (await _matched(process, max(count, 5)))()
    id_ = await pool.fetchval("SELECT pool FROM pools")
    await pool.execute("UPDATE evaluations SET done = true")
    at = ticks.next("emp_a", process.service.clock.now() + ticks.period)

    async def step() -> None:
        async with unit_of_work(pool, at=at, source="pool_matching") as unit:
            await matching_handlers.on_telling(PostgresListings(unit, _updates), id_, at, ticks)

    return step


def _updates(unit: Unit) -> PostgresFeedWriter:
    return PostgresFeedWriter(unit, "updates", lambda: None)


async def _pool(process: Process) -> None:
    answer = await process.http.post(
        "/v1/pools", json={"name": "Nurses", "occupations": ["29-1141"]}, headers=process.auth("emp_a")
    )
    assert answer.status_code == 201, answer.text
    await process.takes(POOLS.name, await process.leaving(POOLS.name))


async def _introduced(process: Process, _: int) -> Act:
    await process.service.pool.execute("TRUNCATE introduced_told")

    async def act() -> None:
        answer = await process.http.get("/v1/introduced", headers=process.auth("emp_a"))
        assert answer.json() == {"introduced": 0}, answer.text

    return act


# outreach_gateway


async def _known(process: Process, count: int) -> list[str]:
    """People of whom the gateway has heard everything."""
    found = people(count)
    await process.takes(CANDIDATE_KEYS.name, [
        CandidateKeyPublishedV1(candidate=one, version=1, public_key=KeyPair.generate().public) for one in found
    ])  # fmt: skip
    await process.takes(MEMBERSHIPS.name, [
        MembershipsChangedV1(
            candidate=one, version=1, pools=(Membership(pool="p_a", employer="emp_a", since=AT),)
        ) for one in found
    ])  # fmt: skip
    await process.takes(CONSENT_STATE.name, [_consent(one, "contact") for one in found])
    return found


async def _submits(process: Process, candidate: str) -> None:
    refs = MemberRefs(*process.service.settings.member_ref_key)  # type: ignore[attr-defined]  # the gateway's own
    body = {
        "member_ref": refs.make(candidate, "emp_a", "p_a", 0),
        "subject": "Night-shift RN, Denver",
        "body": "We would like to talk with you.",
        "job": JOB,
    }
    headers = {**process.auth("emp_a"), "Idempotency-Key": secrets.token_hex(8)}
    answer = await process.http.post("/v1/outreach", json=body, headers=headers)
    assert answer.status_code == 202, answer.text


async def _submitted(process: Process, _: int) -> Act:
    (candidate,) = await _known(process, 1)
    return lambda: _submits(process, candidate)


async def _requested(process: Process, count: int) -> Act:
    now, found = process.service.clock.now(), await _known(process, count)
    until, due = now + timedelta(days=14), now + timedelta(seconds=30)
    ids = [f"o_{secrets.token_hex(8)}" for _ in found]
    rows = [
        (
            id_,
            "emp_a",
            candidate,
            f"m_{id_}",
            b"d",
            "sealed",
            now,
            until,
            due,
            None,
            None,
            None,
            until.date(),
            until,
            False,
            "29-1141",
            "CO",
            None,
        )
        for id_, candidate in zip(ids, found, strict=True)
    ]  # as the edge writes them, one by one
    await process.service.pool.executemany(GATEWAY["submit"], rows)
    events = [
        OutreachRequestedV1(outreach=id_, employer="emp_a", candidate=candidate, at=now, expires_at=until)
        for id_, candidate in zip(ids, found, strict=True)
    ]
    return lambda: process.takes(OUTREACH_REQUESTS.name, events)


async def _due(process: Process, count: int) -> Act:
    await process.service.pool.execute("TRUNCATE outreach CASCADE")
    await (await _requested(process, count))()
    due = process.service.clock.now() - timedelta(hours=1)
    await process.service.pool.execute("UPDATE outreach SET state = 'delayed', due_at = $1", due)
    service = process.service
    people = [row["candidate"] for row in await service.pool.fetch("SELECT candidate::text FROM outreach")]
    assert len(people) == count
    heard = process.given(gateway_handlers.on_outreach_requested)
    windows, policy, standing = heard.given

    async def act() -> None:
        async with unit_of_work(service.pool, at=service.clock.now(), source=service.name) as unit:
            work = jobs_for(*people, at=service.clock.now())
            assert await gateway_handlers.on_due(heard.store(unit), work, windows, policy, standing, 1000) == {}

    return act


async def _gateway_consents(process: Process, count: int) -> Act:
    await (await _requested(process, count))()
    rows = await process.service.pool.fetch("SELECT DISTINCT candidate::text FROM outreach LIMIT $1", count)
    events = [_consent(row["candidate"], version=2) for row in rows]
    return lambda: process.takes(CONSENT_STATE.name, events)


async def _outcomes(process: Process, count: int) -> Act:
    await process.service.pool.execute("TRUNCATE outreach CASCADE")
    await (await _requested(process, count))()
    rows = await process.service.pool.fetch(
        "SELECT id, version, candidate::text FROM outreach WHERE state = 'admitted'"
    )
    assert len(rows) == count
    events = [
        OutreachOutcomeReportedV1(
            outreach=row["id"], decision_version=row["version"], candidate=row["candidate"], employer="emp_a",
            outcome="delivered", at=AT,
        ) for row in rows
    ]  # fmt: skip
    return lambda: process.takes(OUTREACH_OUTCOMES.name, events)


# the courier


def _decided(count: int, process: Process) -> list[OutreachDecidedV1]:
    good_until = process.service.clock.now() + timedelta(minutes=10)
    return [
        OutreachDecidedV1(
            outreach=f"o_{secrets.token_hex(8)}", version=1, candidate=one, employer="emp_a", outcome="admitted",
            policy="2026-12", at=AT, good_until=good_until, sealed="eyJ.a.b.c.d",
        ) for one in people(count)
    ]  # fmt: skip


async def _decisions(process: Process, count: int) -> Act:
    decided = _decided(count, process)
    return lambda: process.takes(OUTREACH_DECISIONS.name, decided)


async def _sends(process: Process, count: int) -> Act:
    await process.service.pool.execute("TRUNCATE courier_mails CASCADE")
    await (await _decisions(process, count))()
    sender = next(run.__self__ for name, run in process.service.parts.jobs if name == "sender")  # type: ignore[attr-defined]  # a bound method
    assert isinstance(sender, Sender)
    sender.batch = 1000

    async def is_current() -> ConsentCheck:
        return ConsentCheck(elapsed())

    sender.check_consents = is_current
    sender._behind = sender._asks = False

    async def act() -> None:
        async with asyncio.TaskGroup() as group:
            assert await sender.turn(group) == count
            assert await sender.turn(group) == count, "the first found that they rest on the consents, and let them go"

    return act


PATHS: dict[str, tuple[str, Path_, tuple[int, ...]]] = {
    "signup: POST /v1/hooks": ("signup", _webhook, ONE),
    "signup: POST /v1/events": ("signup", _events, SIZES),
    "signup: ats-events, new people": ("signup", _reports, SIZES),
    "signup: consent-state": ("signup", _signup_consents, SIZES),
    "consent: candidate-events": ("consent", _registered, SIZES),
    "consent: POST /me": ("consent", _saves, ONE),
    "pool_matching: candidate-profiles": ("pool_matching", _matched, SIZES),
    "pool_matching: erasures": ("pool_matching", _matching_erased, SIZES),
    "pool_matching: a chunk of an evaluation": ("pool_matching", _evaluated, SIZES),
    "pool_matching: a listing opens and is told": ("pool_matching", _decided_listing, LISTED),
    "pool_matching: GET /v1/introduced": ("pool_matching", _introduced, ONE),
    "outreach_gateway: POST /v1/outreach": ("outreach_gateway", _submitted, ONE),
    "outreach_gateway: outreach-requests": ("outreach_gateway", _requested, SIZES),
    "outreach_gateway: due": ("outreach_gateway", _due, SIZES),
    "outreach_gateway: consent-state": ("outreach_gateway", _gateway_consents, SIZES),
    "outreach_gateway: outreach-outcomes": ("outreach_gateway", _outcomes, SIZES),
    "courier: outreach-decisions": ("courier", _decisions, SIZES),
    "courier: a turn, withheld": ("courier", _sends, SIZES),
}


async def _ready(process: Process) -> None:
    process.tenant("acme", "vendor")
    for employer in ("emp_one", "emp_a"):
        process.tenant(employer, "employer", vendor="acme")
    process.tenant("ops", "operator")
    if process.service.name == "signup":
        answer = await process.http.post("/v1/sources", json=SOURCE, headers=process.auth("ops"))
        assert answer.status_code == 201, answer.text
    if process.service.name == "pool_matching":
        await _pool(process)
    if process.service.name == "outreach_gateway":
        await _windows_are_built(process)


async def _windows_are_built(process: Process) -> None:
    """By the service's own job, on a Redis that other tests have used."""
    (windows, *_) = process.given(gateway_handlers.on_outreach_requested).given
    rebuild = Rebuild(process.service.stores(PostgresEpochs), windows)

    async def stand() -> bool:
        await rebuild.look()
        await rebuild.build()
        return not windows.held

    await until(stand)


@pytest.mark.parametrize("path", PATHS)
async def test_a_batch_costs_as_many_round_trips_whatever_its_size(
    path: str, starts: Starts, baseline: Mapping[str, Any]
) -> None:
    name, prepare, sizes = PATHS[path]
    async with starts(name) as process:
        await _ready(process)
        await (await prepare(process, 2))()  # types are known, statements prepared, scripts loaded
        found = {}
        for size in sizes:
            act = await prepare(process, size)
            async with counted() as counts:
                await act()
            found[size] = counts
    _hold_against(path, found, baseline)


def _hold_against(path: str, found: Mapping[int, Counts], baseline: Mapping[str, Any]) -> None:
    now = {
        what: [getattr(counts, what) for counts in found.values()]
        for what in ("statements", "redis", "kafka")
        if any(getattr(counts, what) for counts in found.values())
    }
    line = f'["{path}"]\n' + "\n".join(f"{what} = {numbers}" for what, numbers in now.items())
    asked = "\n".join(found[max(found)].said)
    expected = baseline.get(path, {})
    for what in {*now, *expected}:
        for ours, allowed in zip(now.get(what, [0] * len(found)), expected.get(what, [0] * len(found)), strict=True):
            assert ours <= allowed, (
                f"{what}: more than {BASELINE.name} allows. Now:\n{line}\nThe last batch asked:\n{asked}"
            )
            assert ours >= allowed, f"{what}: fewer than before, well done. Write the lower number:\n{line}"


async def test_the_relay_sends_a_batch_with_as_many_round_trips_whatever_its_size(
    starts: Starts, servers: Servers, baseline: Mapping[str, Any]
) -> None:
    async with starts("signup") as process:
        await _ready(process)
        producer = Producer(Kafka.plain(servers.kafka), idempotence=servers.idempotence, client_id="counts")
        await producer.start()
        found = {}
        try:
            relay = Relay(process.service.pool, producer)
            for size in (2, *SIZES):
                await process.service.pool.execute("DELETE FROM outbox")
                async with process.service.work() as unit:
                    unit.publish(*(_consent(candidate) for candidate in people(size)))
                await process.service.pool.execute("UPDATE outbox SET topic = 'counts'")
                async with counted() as counts:
                    assert sum((await relay._relay_some(range(SHARDS), producer)).values()) == size
                found[size] = counts
        finally:
            await producer.stop()
    del found[2]
    _hold_against("relay: a batch", found, baseline)


def test_the_baseline_names_nothing_else(baseline: Mapping[str, Any]) -> None:
    assert set(baseline) == {*PATHS, "relay: a batch"}
