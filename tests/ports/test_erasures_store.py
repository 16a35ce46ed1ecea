"""What is outstanding of erasures: written with the erasure, gone with the last confirmation, told again in between."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta

import pytest

from services.signup.adapters import lapses
from services.signup.adapters.erasures import OLDEST, SERVICES, PostgresErasures
from services.signup.courier.adapters.kept import PEOPLE as COURIER
from services.signup.courier.adapters.kept import SQL as COURIER_SQL
from services.signup.handlers import on_erasure_swept
from services.signup.jobs import ASKED_AGAIN_AFTER, ASKED_AT_LAST, ask_for_confirmations
from shared.contracts.signup import CandidateErasedV1, ErasureSweptV1
from shared.ids import new_candidate_id
from shared.messaging.envelope import Received, Record, encode
from shared.messaging.passes import SQL as READ_BACK
from shared.messaging.passes import _versions
from shared.messaging.signatures import Signer, Verifier
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from shared.security.links import public_half
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.signing import with_signatures

LATER = NOON + ASKED_AGAIN_AFTER + timedelta(seconds=1)
_STUB = """
INSERT INTO candidates (candidate, blind_index, registered_at, stub_until, lapse_reason, lapse_asked_at, lapsed_at)
VALUES ($1::uuid, sha256($2::text::bytea), $3, $3, 'deleted', $3, $3)
"""
_TOLD = "SELECT count(*) FROM outbox WHERE topic = 'erasures' AND key = $1"


@pytest.fixture
async def pool(databases: Databases) -> AsyncIterator[Pool]:
    async with databases.pool(*MIGRATIONS_OF["signup"]) as opened:
        yield opened


async def erase(pool: Pool) -> str:
    candidate = new_candidate_id()
    await pool.execute(_STUB, candidate, candidate, NOON)
    async with unit_of_work(pool, at=NOON, source="signup") as unit:
        assert await lapses.erase_lapsed(unit, [candidate]) == [candidate]
    return candidate


async def outstanding(pool: Pool) -> set[tuple[str, str]]:
    async with unit_of_work(pool, at=NOON, source="signup") as unit:
        return {(one.candidate, one.service) for one in await PostgresErasures(unit).outstanding(after=None, limit=100)}


async def confirm(pool: Pool, candidate: str, *services: str) -> None:
    heard = [
        Received(
            "e",
            "/fairpool/x",
            NOON,
            ErasureSweptV1.model_validate({"candidate": candidate, "service": one, "at": NOON}),
            Record("t", 0, 0, None, None, ()),
        )
        for one in services
    ]
    async with unit_of_work(pool, at=NOON, source="signup") as unit:
        await on_erasure_swept(PostgresErasures(unit), heard)


async def ask(pool: Pool, at: datetime) -> int:
    async with unit_of_work(pool, at=at, source="signup") as unit:
        return await PostgresErasures(unit).ask_again(first=ASKED_AGAIN_AFTER, longest=ASKED_AT_LAST, limit=100)


async def test_an_erasure_is_outstanding_at_every_service_until_it_has_confirmed(pool: Pool) -> None:
    ana, bo = await erase(pool), await erase(pool)
    assert await outstanding(pool) == {(who, service) for who in (ana, bo) for service in SERVICES}
    await confirm(pool, ana, "courier", "consent")
    await confirm(pool, ana, "courier")
    assert await outstanding(pool) == {
        (ana, "outreach_gateway"),
        (ana, "pool_matching"),
        *((bo, service) for service in SERVICES),
    }
    await confirm(pool, ana, *SERVICES)
    await confirm(pool, bo, *SERVICES)
    assert await outstanding(pool) == set()


async def test_it_is_told_again_once_in_a_while_as_long_as_somebody_owes_a_word(pool: Pool) -> None:
    ana = await erase(pool)
    assert await ask(pool, NOON + timedelta(minutes=1)) == 0
    await confirm(pool, ana, "courier", "consent", "pool_matching")
    assert await ask(pool, LATER) == 1
    assert await pool.fetchval(_TOLD, ana.encode()) == 1
    assert await ask(pool, LATER + timedelta(minutes=1)) == 0
    await confirm(pool, ana, "outreach_gateway")
    assert await ask(pool, LATER + timedelta(days=1)) == 0


async def test_a_service_that_never_answers_is_asked_rarer_each_time_up_to_once_a_day_and_never_in_step(
    pool: Pool,
) -> None:
    for _ in range(3):
        await erase(pool)
    at, waits = LATER, [ASKED_AGAIN_AFTER * 2**number for number in range(1, 10)]
    for times, wait in enumerate(waits, 2):
        assert await ask(pool, at) == 12
        async with unit_of_work(pool, at=at, source="signup") as unit:
            found = await PostgresErasures(unit).outstanding(after=None, limit=20)
        assert {one.asked for one in found} == {times}
        longest = min(wait, ASKED_AT_LAST)
        assert all(longest / 2 <= one.ask_at - at <= longest for one in found)
        assert len({one.ask_at for one in found}) > 1
        assert await ask(pool, at + longest / 2 - timedelta(seconds=1)) == 0
        at += longest


async def test_a_page_goes_on_where_the_last_one_ended(pool: Pool) -> None:
    await erase(pool)
    await erase(pool)
    async with unit_of_work(pool, at=NOON, source="signup") as unit:
        erasures = PostgresErasures(unit)
        first = await erasures.outstanding(after=None, limit=5)
        rest = await erasures.outstanding(after=(first[-1].candidate, first[-1].service), limit=5)
    seen = [(one.candidate, one.service) for one in (*first, *rest)]
    assert len(seen) == 8
    assert seen == sorted(set(seen))


async def test_the_age_of_the_oldest_is_shown_by_service_and_falls_to_0(pool: Pool) -> None:
    ana = await erase(pool)
    await confirm(pool, ana, "consent")
    async with unit_of_work(pool, at=NOON + timedelta(hours=2), source="signup") as unit:
        await PostgresErasures(unit).note_oldest()
    ages = {service: OLDEST.labels(service)._value.get() for service in SERVICES}
    assert ages == {"consent": 0.0, "courier": 7200.0, "outreach_gateway": 7200.0, "pool_matching": 7200.0}
    await confirm(pool, ana, *SERVICES)
    async with unit_of_work(pool, at=NOON + timedelta(hours=2), source="signup") as unit:
        await PostgresErasures(unit).note_oldest()
    assert {OLDEST.labels(service)._value.get() for service in SERVICES} == {0.0}


@pytest.mark.parametrize("own_seed", [b"o" * 32, b"n" * 32], ids=["same key", "exchanged key"])
async def test_an_erasure_that_was_signed_before_the_key_was_exchanged_still_erases_after_a_restore(
    pool: Pool, own_seed: bytes
) -> None:
    person, signed_by = new_candidate_id(), Signer(b"o" * 32)
    verifier = Verifier({"signup": (public_half(b"o" * 32), public_half(b"n" * 32))})
    event = CandidateErasedV1(candidate=person, at=NOON)
    (sent,) = with_signatures([encode(event, source="signup", at=NOON)], signed_by)
    record = Record(sent.topic, 0, 0, sent.key, sent.value, sent.headers)
    await pool.execute(_STUB, person, person, NOON)  # a backup brought them back
    seen = dict(_versions([record], verifier, Signer(own_seed).id))
    async with unit_of_work(pool, at=NOON, source="signup") as unit:
        await unit.connection.execute(READ_BACK["begin_page"])
        await unit.connection.execute(
            "INSERT INTO pg_temp.read_back (key, version) SELECT * FROM unnest($1::text[], $2::bigint[])",
            list(seen),
            list(seen.values()),
        )
        assert await lapses.erase_again(unit, 100) == 1
        behind = await lapses.erasures_behind.states(unit)
    assert await pool.fetchval("SELECT count(*) FROM candidates") == 0
    assert len(behind) == (own_seed != b"o" * 32), "what has an old key is said again"


async def test_all_that_is_outstanding_is_asked_for_again_also_when_it_is_more_than_a_batch(pool: Pool) -> None:
    await pool.execute(
        """INSERT INTO erasures_outstanding (candidate, service, erased_at, asked_at, ask_at)
           SELECT candidate, service, $1, $1, $1
           FROM (SELECT gen_random_uuid() AS candidate FROM generate_series(1, 300) OFFSET 0) AS people, unnest($2::text[]) AS service""",
        NOON,
        list(SERVICES),
    )
    more, turns = True, 0
    while more:
        async with unit_of_work(pool, at=LATER, source="signup") as unit:
            more = await ask_for_confirmations(PostgresErasures(unit))
        turns += 1
        assert turns < 10
    assert await pool.fetchval("SELECT count(*) FROM erasures_outstanding WHERE asked_at < $1", LATER) == 0


_ENDS: Mapping[str, tuple[str, ...]] = {"sending": ("doubt_the_dead",), "claimed": ("free_the_dead", "settle")}
"""Of a courier that is dead, by what it had in hand; of one that lives the mail ends by `record_over`."""


@pytest.mark.parametrize("state", _ENDS)
@pytest.mark.parametrize("lives", [True, False], ids=["the courier lives", "the courier is dead"])
async def test_a_mail_that_is_in_hand_at_the_erasure_ends_without_a_word_of_the_person(
    pool: Pool, state: str, *, lives: bool
) -> None:
    person = new_candidate_id()
    for name, candidate in (("n_1", person), ("n_2", new_candidate_id())):
        await pool.execute(
            """INSERT INTO courier_mails (kind, id, candidate, introduced_by, version, admitted, state, introduced_at, changes, lane,
                   not_before, good_until, trace, courier, claimed_version)
               VALUES ('notice', $1, $2, 'emp_a', 1, true, $3, now(), '[{"change": "everything_stopped"}]', 0, now(),
                   now() + interval '1 day', '00-x', 'one', 1)""",
            name,
            candidate,
            state,
        )
    await pool.execute("INSERT INTO erased (candidate, erased_at) VALUES ($1, now())", person)
    both: list[list[str]] = [["notice"] * 2, ["n_1", "n_2"], ["withheld"] * 2, ["why"] * 2]
    given: Mapping[str, list[object]] = {"doubt_the_dead": ["why"], "free_the_dead": []}
    async with pool.acquire() as connection, connection.transaction():
        await COURIER.erase(connection, [person])
        for name in ("record_over",) if lives else _ENDS[state]:
            await connection.execute(COURIER_SQL[name], *given.get(name, both))
    end = "withheld" if lives or state == "claimed" else "doubtful"
    erased, other = await pool.fetch(
        "SELECT state, introduced_by, introduced_at, changes::text, trace, detail FROM courier_mails ORDER BY id"
    )
    assert tuple(erased) == (end, None, None, "[]", None, None)
    assert (other["state"], other["introduced_by"], other["trace"], other["detail"]) == (end, "emp_a", "00-x", "why")
    assert other["introduced_at"] is not None and other["changes"] != "[]"
