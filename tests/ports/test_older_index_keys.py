"""The key of the blind index is exchanged with overlap: nobody is lost, and nobody is there twice; on real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.signup import jobs
from services.signup.adapters.operator_store import PostgresOperatorStore
from services.signup.adapters.page_requests import PostgresPageRequests
from services.signup.adapters.postgres import PostgresStore
from services.signup.adapters.secret_rows import PostgresSecretRows, Round
from services.signup.api.secrets import standings
from services.signup.handlers import on_candidate_reported
from services.signup.vault.hashing import SlowHashes
from services.signup.vault.index import BlindIndex, key_id
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool
from shared.web.secrets import Standing
from tests.databases import MIGRATIONS_OF
from tests.fakes.clock import NOON
from tests.fakes.keeper import intake_keys
from tests.handlers.signup.stories import ANA, KEY, SECRETS, report

OLD, NEW = b"o" * 32, b"n" * 32
HASHES = SlowHashes(b"p" * 32)
BEN = "ben@example.org"


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["signup"]


class Process:
    """A process of signup whose FAIRPOOL_BLIND_INDEX_KEY names these keys."""

    def __init__(self, pool: Pool, *keys: bytes) -> None:
        self.pool = pool
        self.index = BlindIndex(*keys)
        self.secrets = replace(SECRETS, index=self.index, hashes=HASHES)
        self.keys = intake_keys(bytes(32))
        self.keys._kept[NOON.date()] = KEY
        self.place = Round()
        self.at = NOON

    def work(self) -> AbstractAsyncContextManager[Unit]:
        return unit_of_work(self.pool, at=self.at, source="signup")

    @asynccontextmanager
    async def rows(self) -> AsyncIterator[PostgresSecretRows]:
        async with self.work() as unit:
            yield PostgresSecretRows(unit, self.keys.epochs, self.place)

    async def hears(self, *told: tuple[str, str]) -> None:
        """A vendor tells of these emails, each by the record of this name."""
        async with self.work() as unit:
            received = [report(record=record, mail=mail) for record, mail in told]
            await on_candidate_reported(PostgresStore(unit, self.keys), received, self.secrets)

    async def knows(self, mail: str) -> bool:
        """Whether an operator, and the sign-in page, find somebody by it."""
        asked = self.index.of(mail)
        found = await PostgresOperatorStore(self.work).look_up(asked, by="operator", reason="ticket 1")
        before = await self.pool.fetchval("SELECT count(*) FROM outbox WHERE topic = 'notices'")
        await self.pool.execute("DELETE FROM page_requests")
        await PostgresPageRequests(self.work).sign_in(asked, b"origin")
        after = await self.pool.fetchval("SELECT count(*) FROM outbox WHERE topic = 'notices'")
        assert (found is not None) == (after > before)
        return found is not None

    async def reindexes(self) -> bool:
        async with self.rows() as rows:
            return await jobs.reindex(rows, self.secrets)

    async def standing(self) -> Standing:
        return (await standings(self.rows, self.index, HASHES))[0]


async def confirm_all(pool: Pool) -> None:
    await pool.execute("UPDATE candidates SET confirmed_at = now()")


async def people(pool: Pool) -> int:
    number: int = await pool.fetchval("SELECT count(*) FROM candidates")
    return number


async def test_who_is_under_the_old_key_is_found_under_both_and_not_under_the_new_alone(pool: Pool) -> None:
    await Process(pool, OLD).hears(("1", ANA))
    await confirm_all(pool)
    assert await Process(pool, NEW, OLD).knows("ana.ruiz+jobs@example.org")
    assert not await Process(pool, NEW).knows(ANA)
    await Process(pool, NEW, OLD).hears(("2", ANA), ("3", BEN))
    assert await people(pool) == 2, "the second record is of the same person"
    claims = await pool.fetch("SELECT candidate FROM claims WHERE record IN ('1', '2')")
    assert len(claims) == 2 and claims[0] == claims[1]
    await confirm_all(pool)
    assert await Process(pool, NEW).knows(BEN) and not await Process(pool, OLD).knows(BEN)


async def test_a_record_whose_person_is_under_the_old_key_still_has_the_same_mailbox(pool: Pool) -> None:
    await Process(pool, OLD).hears(("1", ANA))
    await Process(pool, NEW, OLD).hears(("1", ANA))
    assert await people(pool) == 1
    assert await pool.fetchval("SELECT lapse_reason FROM candidates") is None, "it is no other mailbox than before"


async def test_of_two_processes_in_the_middle_of_an_exchange_only_one_makes_a_row_of_a_mailbox(pool: Pool) -> None:
    """One has `OLD,NEW` still, the other `NEW,OLD` already, as step by step they are restarted."""
    before, after = Process(pool, OLD, NEW), Process(pool, NEW, OLD)
    mails = [f"person{number}@example.org" for number in range(12)]
    await asyncio.gather(
        *(one.hears((f"{name}{mail}", mail)) for mail in mails for name, one in (("a", before), ("b", after)))
    )
    assert await people(pool) == len(mails)
    assert await pool.fetchval("SELECT count(*) FROM claims") == 2 * len(mails)


async def test_old_rows_come_under_the_new_key_in_batches_and_then_the_old_one_may_go(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_AT_ONCE", 2)
    await Process(pool, OLD).hears(*((str(number), f"person{number}@example.org") for number in range(4)), ("a", ANA))
    await pool.execute("UPDATE candidates SET index_key = NULL WHERE blind_index = $1", BlindIndex(OLD).of(ANA).value)
    both = Process(pool, NEW, OLD)
    assert await both.standing() == Standing("FAIRPOOL_BLIND_INDEX_KEY", key_id(NEW), {key_id(OLD): 4, b"": 1})
    assert [await both.reindexes() for _ in range(4)] == [True, True, False, False]
    assert (await both.standing()).others == {}
    await confirm_all(pool)
    alone = Process(pool, NEW)
    assert [await alone.knows(mail) for mail in (ANA, "person3@example.org")] == [True, True]
    assert await people(pool) == 5
    await alone.hears(("again", ANA))
    assert await people(pool) == 5


async def test_whoever_cannot_be_read_stays_under_the_old_key_and_holds_up_nobody(pool: Pool) -> None:
    await Process(pool, OLD).hears(("1", ANA), ("2", BEN))
    await pool.execute(
        "UPDATE identities SET identity_key = 'x' WHERE candidate = (SELECT candidate FROM candidates WHERE blind_index = $1)",
        BlindIndex(OLD).of(ANA).value,
    )
    both = Process(pool, NEW, OLD)
    await both.reindexes()
    assert (await both.standing()).others == {key_id(OLD): 1}


async def test_however_many_stay_under_the_old_key_everybody_else_has_a_turn_and_they_another_one_later(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_AT_ONCE", 2)
    mails = [f"person{number}@example.org" for number in range(7)]
    await Process(pool, OLD).hears(*((mail, mail) for mail in mails))
    await pool.execute(
        "UPDATE candidates SET index_key = NULL WHERE blind_index = ANY($1)",
        [BlindIndex(OLD).of(mail).value for mail in mails[:2]],
    )
    order = [
        row["candidate"]
        for row in await pool.fetch("SELECT candidate FROM candidates ORDER BY index_key NULLS LAST, candidate")
    ]
    before = await pool.fetch(
        "SELECT candidate, identity_key FROM identities WHERE candidate = ANY($1)", [*order[:3], order[5]]
    )
    await pool.execute(
        "UPDATE identities SET identity_key = 'x' WHERE candidate = ANY($1)", [row["candidate"] for row in before]
    )
    both = Process(pool, NEW, OLD)
    assert [await both.reindexes() for _ in range(4)] == [True, True, True, False]
    assert sum((await both.standing()).others.values()) == 4
    await pool.execute(
        "UPDATE identities SET identity_key = row.key FROM unnest($1::uuid[], $2::bytea[]) AS row (candidate, key) WHERE identities.candidate = row.candidate",
        [row["candidate"] for row in before],
        [row["identity_key"] for row in before],
    )
    assert not await both.reindexes()
    assert sum((await both.standing()).others.values()) == 4, "it was at all of them a moment ago"
    both.at += timedelta(minutes=11)
    assert [await both.reindexes() for _ in range(3)] == [True, True, False]
    assert (await both.standing()).others == {}


async def test_a_row_whose_mailbox_another_row_has_stays_and_is_counted(pool: Pool) -> None:
    """Of an exchange whose first step was left out: two rows of one mailbox."""
    await Process(pool, OLD).hears(("1", ANA))
    await Process(pool, NEW).hears(("2", ANA))
    both = Process(pool, NEW, OLD)
    assert await people(pool) == 2
    assert not await both.reindexes()
    assert (await both.standing()).others == {key_id(OLD): 1}
