"""From the edge to the vault on a real database, also when many come at once."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from services.signup import jobs
from services.signup.adapters.intake import PostgresIntake
from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.adapters.lapses import erase_again, erasures_behind
from services.signup.adapters.postgres import PostgresStore
from services.signup.decisions.showing import news, settled
from services.signup.handlers import on_candidate_reported, on_consent_changed, on_erasure_confirmed
from services.signup.model.people import Told
from services.signup.model.reports import Report
from services.signup.ports.store import INVITATIONS, LANES
from services.signup.vault.hashing import SlowHashes
from services.signup.vault.index import BlindIndex
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import open_identity, open_key_pair
from services.signup.vault.secrets import VaultSecrets
from shared.contracts.consent import ErasureConfirmedV1
from shared.contracts.signup import CandidateReportedV1
from shared.ids import new_candidate_id
from shared.messaging.envelope import Received, Record, decode, only
from shared.messaging.errors import is_transient
from shared.messaging.passes import SQL as READ_BACK
from shared.security.boxes import CannotOpenError
from tests.fakes.keeper import first_epoch, intake_keys
from tests.integration.signup.conftest import BLIND_INDEX_KEY, KEYS, VAULT_KEY, Edge
from tests.signing import consented
from tests.working import runner_of

EPOCHS = first_epoch(VAULT_KEY)
SECRETS = VaultSecrets(EPOCHS.epochs, BlindIndex(BLIND_INDEX_KEY), SlowHashes(BLIND_INDEX_KEY))


async def post(http: httpx.AsyncClient, vendor: str, record: str, mail: str) -> None:
    employer = {"acme": "emp_one", "bright": "emp_two"}[vendor]
    person = {"given_name": "Annabellarita", "emails": [mail]}
    profile = {"titles": ["Registered nurse"], "years": 6}
    event = {
        "specversion": "1.0", "id": f"{vendor}-{record}", "source": vendor, "type": "candidate.signed_up",
        "data": {"employer": employer, "record": record, "person": person, "profile": profile},
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {KEYS[vendor]}", "Content-Type": "application/cloudevents+json"}
    answer = await http.post("/v1/events", json=event, headers=headers)
    assert answer.status_code == 202, answer.text


async def arriving(edge: Edge) -> list[Received[CandidateReportedV1]]:
    """What a consumer of `ats-events` gets, once."""
    records = [Record(one.topic, 0, place, one.key, one.value, one.headers) for place, one in enumerate(edge.sent)]
    edge.sent.clear()
    decoded = [decode(record, None) for record in records]
    return only(CandidateReportedV1, [item for item in decoded if isinstance(item, Received)])


@asynccontextmanager
async def store(edge: Edge, keys: IntakeKeys | None = None) -> AsyncIterator[PostgresStore]:
    async with edge.work() as unit:
        yield PostgresStore(unit, keys or edge.keys)


async def invite(edge: Edge) -> int:
    """Decides all invitations that wait; how many."""
    store = partial(PostgresStore, keys=edge.keys)
    return await runner_of(
        edge.work, edge.clock, INVITATIONS, jobs.on_invitations, store, SECRETS, batch=8, lanes=LANES
    ).run_once()


async def handle(edge: Edge, reports: list[Received[CandidateReportedV1]]) -> None:
    """As the consumer does it: a transient error is tried again."""
    while True:
        try:
            async with store(edge, intake_keys(VAULT_KEY)) as one:
                return await on_candidate_reported(one, reports, SECRETS)
        except Exception as error:
            if not is_transient(error):
                raise


async def published(edge: Edge, topic: str) -> list[dict[str, Any] | None]:
    rows = await edge.pool.fetch("SELECT value FROM outbox WHERE topic = $1 ORDER BY id", topic)
    return [None if row["value"] is None else json.loads(row["value"]) for row in rows]


async def keep(edge: Edge, candidate: str) -> None:
    """The person keeps all that is proposed."""
    async with store(edge) as one:
        (proposed,) = await one.proposals(candidate)
        (before,) = (await one.showings([candidate])).values()
        kept = proposed.proposal.profile.model_copy(update={"occupations": ("29-1141",)})
        after = settled(replace(before, profile=kept), at=one.at)
        await one.save_showings([after])
        if told := news(before, after):
            one.publish(told)


async def test_a_person_comes_in_is_invited_confirms_and_is_shown(http: httpx.AsyncClient, edge: Edge) -> None:
    await post(http, "acme", "1", "Annabellarita.Ruiz@example.org")
    await handle(edge, await arriving(edge))
    assert await invite(edge) == 1
    (notice,) = await published(edge, "notices")
    assert notice is not None
    candidate = notice["candidate"]
    async with edge.pool.acquire() as connection:
        row = (await read_identities(connection, [candidate], EPOCHS))[candidate]
    assert open_identity(row, EPOCHS.epochs).mail == "Annabellarita.Ruiz@example.org"
    (key,) = await published(edge, "candidate-keys")
    assert key is not None
    assert open_key_pair(row, EPOCHS.epochs).public == key["public_key"]
    consent = consented(candidate=candidate, version=1, at=edge.clock.now(), purposes=("match",))
    item = Received("c1", "consent", None, consent, Record("consent-state", 0, 0, None, None, ()))
    async with store(edge) as one:
        await on_consent_changed(one, [item])
    assert await published(edge, "candidate-profiles") == []
    await keep(edge, candidate)
    (shown,) = await published(edge, "candidate-profiles")
    assert shown is not None
    assert (shown["profile"]["occupations"], shown["profile"]["years"]) == (["29-1141"], 5)
    kinds = await published(edge, "candidate-events")
    assert len(kinds) == 3
    assert "annabellarita" not in (await edge.everything()).lower()


async def test_two_vendors_at_once_make_one_candidate(http: httpx.AsyncClient, edge: Edge) -> None:
    for number in range(5):
        mail = f"person{number}@example.org"
        await post(http, "acme", str(number), mail)
        await post(http, "bright", str(number), mail.upper())
    reports = await arriving(edge)
    await asyncio.gather(*(handle(edge, [report]) for report in reports))
    assert await edge.pool.fetchval("SELECT count(*) FROM candidates") == 5
    assert await edge.pool.fetchval("SELECT count(*) FROM identities") == 5
    assert await edge.pool.fetchval("SELECT count(*) FROM claims") == 10
    assert await edge.pool.fetchval("SELECT count(*) FROM claims WHERE registered") == 5
    assert await edge.pool.fetchval("SELECT count(*) FROM work WHERE queue = 'invitations'") == 5


async def test_overlapping_batches_in_any_order_end_well(http: httpx.AsyncClient, edge: Edge) -> None:
    for number in range(30):
        for vendor in ("acme", "bright"):
            await post(http, vendor, str(number), f"person{number}@example.org")
    reports = await arriving(edge)
    dice = random.Random(7)  # noqa: S311 - a repeatable shuffle
    batches = []
    for vendor in ("acme", "bright"):
        mine = [report for report in reports if report.event.vendor == vendor]
        dice.shuffle(mine)
        batches += [mine[:15], mine[15:]]
    await asyncio.gather(*(handle(edge, batch) for batch in batches))
    assert await edge.pool.fetchval("SELECT count(*) FROM candidates") == 30
    assert await edge.pool.fetchval("SELECT count(*) FROM claims") == 60
    assert len(await published(edge, "candidate-keys")) == 30


async def test_processes_that_start_a_day_together_agree_on_its_key(edge: Edge) -> None:
    day = edge.clock.now().date()
    found = await asyncio.gather(*(intake_keys(VAULT_KEY).for_day(edge.pool, day) for _ in range(20)))
    assert len(set(found)) == 1


async def test_a_destroyed_intake_key_opens_nothing_any_more(http: httpx.AsyncClient, edge: Edge) -> None:
    await post(http, "acme", "1", "a@example.org")
    reports = await arriving(edge)
    edge.clock.advance(timedelta(days=17))
    async with store(edge) as one:
        await jobs.forget(one)
    assert await edge.pool.fetchval("SELECT count(*) FROM intake_keys") == 0
    assert await edge.pool.fetchval("SELECT count(*) FROM intake") == 0
    for keys in (edge.keys, intake_keys(VAULT_KEY)):
        with pytest.raises(CannotOpenError):
            async with store(edge, keys) as one:
                await on_candidate_reported(one, reports, SECRETS)


async def test_what_has_had_its_time_is_forgotten_in_many_short_transactions(edge: Edge) -> None:
    await edge.pool.execute(
        "INSERT INTO intake (vendor, event_digest, received_at) SELECT 'acme', int4send(n), '2020-01-01' FROM generate_series(1, 1200) AS n"
    )
    await edge.pool.execute(
        "INSERT INTO kept_reports (vendor, record, employer, kind, id, event, kept_at) "
        "SELECT 'acme', n::text, '', 'hired', n::text, '{}', '2020-01-01' FROM generate_series(1, 600) AS n"
    )
    units = []
    more = True
    while more:
        async with store(edge) as one:
            more = await jobs.forget(one)
        units.append(await edge.pool.fetchval("SELECT count(*) FROM intake"))
    assert units == [700, 200, 0]
    assert await edge.pool.fetchval("SELECT count(*) FROM kept_reports") == 0


async def test_a_purged_stub_leaves_a_tombstone_and_a_slow_hash(http: httpx.AsyncClient, edge: Edge) -> None:
    await post(http, "acme", "1", "a@example.org")
    await handle(edge, await arriving(edge))
    await invite(edge)
    edge.clock.advance(timedelta(days=15))
    async with store(edge) as one:
        await jobs.lapse(one)
    (lapsed,) = [one for one in await published(edge, "candidate-events") if one and "reason" in one]
    confirmed = ErasureConfirmedV1(candidate=lapsed["candidate"], store="consent", at=edge.clock.now())
    for _ in range(2):
        async with store(edge) as one:
            await on_erasure_confirmed(
                one, [Received("e", "/fairpool/consent", None, confirmed, Record("t", 0, 0, None, None, ()))]
            )
    assert [one and one["candidate"] for one in await published(edge, "erasures")] == [lapsed["candidate"]]
    for table in ("candidates", "identities", "claims", "proposals", "work"):
        assert await edge.pool.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await edge.pool.fetchval("SELECT count(*) FROM invitations") == 1
    assert (await published(edge, "candidate-keys"))[-1] is None
    assert await edge.pool.fetchval("SELECT candidate::text FROM erased") == lapsed["candidate"]


async def test_whoever_a_backup_brings_back_is_erased_again(http: httpx.AsyncClient, edge: Edge) -> None:
    for record, mail in (("1", "a@example.org"), ("2", "b@example.org")):
        await post(http, "acme", record, mail)
    await handle(edge, await arriving(edge))
    back, alive = [
        row["candidate"] for row in await edge.pool.fetch("SELECT candidate::text FROM candidates ORDER BY 1")
    ]
    lost = new_candidate_id()
    await edge.pool.execute("INSERT INTO erased (candidate, erased_at) VALUES ($1, now())", lost)
    async with edge.work() as unit:  # as it is read back: the topic has `back`, and lacks `lost`
        await unit.connection.execute(READ_BACK["begin_page"])
        await unit.connection.execute("INSERT INTO read_back (key, version) VALUES ($1, 1), ($2, 0)", back, lost)
        assert [await erase_again(unit, 1) for _ in range(2)] == [1, 0]
        assert lost in await erasures_behind.keys(unit, "", 500)
        assert await erasures_behind.keys(unit, max(back, lost), 500) == []
        assert [event.key for event in await erasures_behind.states(unit)] == [lost]
    assert [row["candidate"] for row in await edge.pool.fetch("SELECT candidate::text FROM candidates")] == [alive]
    assert await edge.pool.fetchval("SELECT count(*) FROM erased WHERE candidate::text = $1", back) == 1
    assert (await published(edge, "candidate-keys"))[-1] is None


async def test_two_processes_invite_nobody_twice(http: httpx.AsyncClient, edge: Edge) -> None:
    for number in range(40):
        await post(http, "acme", str(number), f"person{number}@example.org")
    await handle(edge, await arriving(edge))
    await asyncio.gather(*(invite(edge) for _ in range(3)))
    notices = [notice["notice"] for notice in await published(edge, "notices") if notice]
    assert len(notices) == len(set(notices)) == 40


async def test_one_requests_fault_is_not_anothers(http: httpx.AsyncClient, edge: Edge) -> None:
    taken = Told()

    def report(digest: bytes, record: str) -> Report:
        return Report(digest, "acme", record, "emp_one", "hired", edge.clock.now(), taken)

    intake = PostgresIntake(lambda: edge.pool, edge.work, lambda: edge, edge.keys, publish_within=timedelta(seconds=1))
    bad = replace(report(b"bad", "1"), vendor="\x00")  # PostgreSQL keeps no U+0000; no route lets one through
    requests = [[report(bytes([number]), str(number))] for number in range(20)]
    requests[10] = [bad]
    answers = await asyncio.gather(*map(intake.take, requests), return_exceptions=True)
    assert [place for place, answer in enumerate(answers) if isinstance(answer, Exception)] == [10]
    assert len(await edge.outbox()) == 19


async def test_a_vault_row_that_does_not_open_holds_up_nobodys_invitation(http: httpx.AsyncClient, edge: Edge) -> None:
    for number in range(20):
        await post(http, "acme", str(number), f"person{number}@example.org")
    await handle(edge, await arriving(edge))
    broken = await edge.pool.fetchval(
        "UPDATE identities SET identity = sha256(identity) WHERE candidate = "
        "(SELECT candidate FROM candidates ORDER BY candidate LIMIT 1) RETURNING candidate::text"
    )
    for _ in range(8):
        await asyncio.gather(invite(edge), invite(edge))
        edge.clock.advance(timedelta(minutes=10))
    assert len(await published(edge, "notices")) == 19
    aside = await edge.pool.fetch("SELECT key, attempts, reason FROM work WHERE set_aside_at IS NOT NULL")
    assert [tuple(row) for row in aside] == [(broken, 8, "failed: CannotOpenError")]
