"""What people take along is kept, made and forgotten the same in memory and in PostgreSQL."""

import io
import itertools
import json
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from services.signup import jobs
from services.signup.adapters.exports import PostgresExports
from services.signup.adapters.postgres import PostgresStore
from services.signup.decisions.exports import Start, UnderWay, ask
from services.signup.handlers import on_export_answered
from services.signup.model.exports import ASKED_AGAIN_AFTER, KEPT, WAITS, Export
from services.signup.model.held import Held
from services.signup.model.people import Person
from services.signup.model.records import Stub
from services.signup.ports.exports import Exports
from services.signup.vault.epochs import Epochs
from services.signup.vault.sealing import Identity, seal_identity
from shared.contracts.consent import ExportAnsweredV1
from shared.contracts.signup import ExportReadyV1, ExportRequestedV1
from shared.ids import new_candidate_id
from shared.messaging.envelope import Received, Record
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from shared.runner.model import Job
from shared.security.parts import CHUNK, pack, seal_part
from shared.security.words import KeyPair
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.fakes.exports import FakeExports
from tests.fakes.keeper import first_epoch, intake_keys

KEY = bytes(range(32))
MINUTE = timedelta(minutes=1)
FILES = {"grants.json": b'{"items": []}', "messages.json": b"{}"}


@dataclass
class Store:
    at_time: Callable[..., AbstractAsyncContextManager[Exports]]
    fake: FakeExports | None = None
    pool: Pool | None = None

    async def person(self) -> str:
        candidate = new_candidate_id()
        if self.fake is not None:
            self.fake.people[candidate] = _held(candidate)
            return candidate
        assert self.pool is not None
        async with unit_of_work(self.pool, at=NOON, source="signup") as unit:
            store = PostgresStore(unit, intake_keys(KEY))
            await store.register([Stub(candidate, candidate.encode(), NOON + timedelta(days=14))])
            await store.save_identities(
                [seal_identity(candidate, Identity("ana@b.example", "Ana"), KeyPair.generate(), Epochs({1: KEY}))]
            )
        return candidate

    async def erase(self, candidate: str) -> None:
        if self.fake is not None:
            self.fake.erase(candidate)
        else:
            assert self.pool is not None
            await self.pool.execute("DELETE FROM candidates WHERE candidate = $1", candidate)

    async def said(self) -> list[ExportRequestedV1 | ExportReadyV1]:
        """To consent and the courier, in their order."""
        if self.fake is not None:
            return [*self.fake.asked, *self.fake.said]
        assert self.pool is not None
        rows = await self.pool.fetch("SELECT topic, value FROM outbox ORDER BY topic = 'notices', id")
        return [
            ExportReadyV1.model_validate_json(row["value"])
            if row["topic"] == "notices"
            else ExportRequestedV1.model_validate_json(row["value"])
            for row in rows
        ]

    async def queue(self) -> set[str]:
        if self.fake is not None:
            return self.fake.queue
        assert self.pool is not None
        return {row["key"] for row in await self.pool.fetch("SELECT key FROM work WHERE queue = 'exports'")}

    # --- what the routes, the handler and the jobs do

    async def start(self, candidate: str, at: datetime = NOON) -> Export:
        async with self.at_time(at) as exports:
            present = await exports.hold(candidate)
            assert present is not None
            asking = ask(present, at=at)
            assert isinstance(asking, Start), asking
            await exports.start(candidate, asking.export)
        return asking.export

    async def hear(self, *parts: ExportAnsweredV1, at: datetime = NOON) -> None:
        async with self.at_time(at) as exports:
            heard = [Received("e", "/fairpool/consent", NOON, one, Record("t", 0, 0, None, None, ())) for one in parts]
            await on_export_answered(exports, heard)

    async def make(self, export: Export, at: datetime = NOON) -> None:
        async with self.at_time(at) as exports:
            await jobs.on_exports(
                exports,
                [Job(export.name, at, 1)],
                lambda held, at: {"identity": {"email": held.identity.mail}},
                lambda profile, who: {"basics": {"email": who.mail}},
            )

    async def fetch(self, candidate: str, at: datetime = NOON) -> dict[str, bytes] | None:
        async with self.at_time(at) as exports:
            found = await exports.fetch(candidate)
        if found is None:
            return None
        archive = zipfile.ZipFile(io.BytesIO(found[1]))
        assert found[0].size == len(found[1])
        return {name: archive.read(name) for name in archive.namelist()}

    async def asked(self, candidate: str) -> ExportRequestedV1:
        """The last that consent was asked of this person."""
        requests = [one for one in await self.said() if isinstance(one, ExportRequestedV1)]
        return [one for one in requests if one.candidate == candidate][-1]


def _held(candidate: str) -> Held:
    return Held(
        candidate, Person(mail="ana@b.example", given_name="Ana"), NOON, NOON, NOON, None, None, None, None, "en", None,
        [], [], [], [], [], [], [], None, None, [], []
    )  # fmt: skip


@pytest.fixture(params=["fake", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "fake":
        fake = FakeExports()

        @asynccontextmanager
        async def in_memory(at: datetime = NOON) -> AsyncIterator[Exports]:
            fake.at = at
            yield fake

        yield Store(in_memory, fake=fake)
        return
    databases: Databases = request.getfixturevalue("databases")
    async with databases.pool(*MIGRATIONS_OF["signup"]) as pool:

        @asynccontextmanager
        async def in_postgres(at: datetime = NOON) -> AsyncIterator[Exports]:
            async with unit_of_work(pool, at=at, source="signup") as unit:
                yield PostgresExports(unit, first_epoch(KEY))

        yield Store(in_postgres, pool=pool)


def answer(
    asked: ExportRequestedV1, files: dict[str, bytes] = FILES, *, name: str = "a_1", key: str | None = None
) -> list[ExportAnsweredV1]:
    chunks = pack(files)
    made = []
    for number, chunk in enumerate(chunks, 1):
        part = ExportAnsweredV1(
            candidate=asked.candidate, export=asked.export, answer=name, part=number, parts=len(chunks), sealed=""
        )
        sealed = seal_part(chunk, key or asked.public_key, context=part.context)
        made.append(part.model_copy(update={"sealed": sealed}))
    return made


def large() -> dict[str, bytes]:
    return {"grants.json": json.dumps("g" * CHUNK).encode(), "messages.json": b"{}" * (CHUNK // 2)}


async def test_an_export_is_asked_for_made_told_of_and_fetched(store: Store) -> None:
    ana = await store.person()
    export = await store.start(ana)
    asked = await store.asked(ana)
    assert (asked.export, asked.at, asked.expires_at) == (export.name, NOON, NOON + WAITS)
    async with store.at_time() as exports:
        latest = await exports.latest(ana)
        assert latest == export and await exports.fetch(ana) is None
    await store.hear(*answer(asked))
    assert await store.queue() == {export.name}
    await store.make(export, NOON + MINUTE)
    files = await store.fetch(ana)
    assert files is not None and files["grants.json"] == FILES["grants.json"]
    assert json.loads(files["resume.json"]) == {"basics": {"email": "ana@b.example"}}
    assert json.loads(files["provenance.json"]) == {"identity": {"email": "ana@b.example"}}
    ready = (await store.said())[-1]
    assert isinstance(ready, ExportReadyV1)
    assert (ready.candidate, ready.expires_at) == (ana, NOON + MINUTE + KEPT)


async def test_parts_come_in_any_order_twice_and_one_by_one(store: Store) -> None:
    for order in itertools.permutations(range(3)):
        ana = await store.person()
        export = await store.start(ana)
        parts = answer(await store.asked(ana), large())
        assert len(parts) == 3
        for number in order[:-1]:
            await store.hear(parts[number])
            await store.hear(parts[number])
            await store.make(export)
            assert export.name not in await store.queue() and await store.fetch(ana) is None
        await store.hear(parts[order[-1]])
        assert export.name in await store.queue()
        await store.make(export)
        files = await store.fetch(ana)
        assert files is not None and {name: files[name] for name in large()} == large()


async def test_made_twice_or_answered_again_afterwards_it_is_one_email_and_one_zip(store: Store) -> None:
    ana = await store.person()
    export = await store.start(ana)
    asked = await store.asked(ana)
    await store.hear(*answer(asked))
    await store.make(export)
    first = await store.fetch(ana)
    await store.make(export)
    await store.hear(*answer(asked, {"grants.json": b"other"}, name="a_2"))
    await store.make(export)
    assert await store.fetch(ana) == first
    assert len([one for one in await store.said() if isinstance(one, ExportReadyV1)]) == 1


async def test_parts_of_two_answers_are_never_mixed(store: Store) -> None:
    ana = await store.person()
    export = await store.start(ana)
    asked = await store.asked(ana)
    one, other = answer(asked, large(), name="a_1"), answer(asked, large(), name="a_2")
    await store.hear(one[0], other[1], one[2])
    assert await store.queue() == set()
    await store.hear(other[0], other[2])
    await store.make(export)
    assert await store.fetch(ana) is not None


async def test_consent_is_asked_again_with_the_same_key_until_it_answers_whole(store: Store) -> None:
    ana = await store.person()
    export = await store.start(ana)
    parts = answer(await store.asked(ana), large())
    await store.hear(parts[0])
    for minutes, again in ((10, 0), (11, 1), (12, 0), (60, 1)):
        async with store.at_time(NOON + minutes * MINUTE) as exports:
            assert await exports.ask_again(exports.at - ASKED_AGAIN_AFTER, limit=10) == again
    requests = [one for one in await store.said() if isinstance(one, ExportRequestedV1)]
    assert len(requests) == 3 and len({one.model_dump_json() for one in requests}) == 1
    later = NOON + timedelta(hours=2)
    await store.hear(*parts[1:], at=later)
    assert await store.queue() == set(), "what came before the second asking was dropped"
    await store.hear(*answer(requests[-1], large(), name="a_2"), at=later)
    await store.make(export, later)
    assert await store.fetch(ana, later) is not None


async def test_what_is_there_whole_and_waits_to_be_made_is_not_asked_for_again(store: Store) -> None:
    ana = await store.person()
    export = await store.start(ana)
    await store.hear(*answer(await store.asked(ana), large()))
    late = NOON + timedelta(hours=1)
    async with store.at_time(late) as exports:
        assert await exports.ask_again(exports.at - ASKED_AGAIN_AFTER, limit=10) == 0
    await store.make(export, late)
    assert await store.fetch(ana, late) is not None


async def test_what_does_not_open_is_dropped_and_asked_for_again(store: Store) -> None:
    ana = await store.person()
    export = await store.start(ana)
    asked = await store.asked(ana)
    await store.hear(*answer(asked, key=KeyPair.generate().public))
    await store.make(export)
    assert await store.fetch(ana) is None
    await store.hear(*answer(asked, name="a_2"))
    await store.make(export)
    assert await store.fetch(ana) is not None


async def test_parts_for_somebody_elses_export_or_for_none_are_dropped(store: Store) -> None:
    ana, bo = await store.person(), await store.person()
    export = await store.start(ana)
    asked = await store.asked(ana)
    foreign = asked.model_copy(update={"candidate": bo})
    await store.hear(*answer(foreign), *answer(asked.model_copy(update={"export": "x_none"})))
    assert await store.queue() == set()
    await store.hear(*answer(asked))
    await store.make(export)
    assert await store.fetch(bo) is None and await store.fetch(ana) is not None


async def test_one_is_made_at_a_time_and_a_newer_one_takes_the_place_of_the_older(store: Store) -> None:
    ana = await store.person()
    first = await store.start(ana)
    async with store.at_time() as exports:
        present = await exports.hold(ana)
        assert present is not None and ask(present, at=NOON) == UnderWay(first)
    await store.hear(*answer(await store.asked(ana)))
    await store.make(first)
    second = await store.start(ana, NOON + MINUTE)
    assert await store.fetch(ana, NOON + MINUTE) is None, "the older one is emptied"
    await store.hear(*answer(await store.asked(ana)), at=NOON + MINUTE)
    await store.make(second, NOON + MINUTE)
    assert await store.fetch(ana, NOON + MINUTE) is not None
    async with store.at_time(NOON + MINUTE) as exports:
        present = await exports.hold(ana)
    assert [one.state for one in present or ()] == ["ready", "replaced"]


@pytest.mark.parametrize("answered", [True, False])
async def test_after_its_time_it_is_gone(store: Store, answered: bool) -> None:
    ana = await store.person()
    export = await store.start(ana)
    asked = await store.asked(ana)
    if answered:
        await store.hear(*answer(asked))
        await store.make(export)
    end = NOON + (KEPT if answered else WAITS)
    for at, is_there in ((end - MINUTE, True), (end, False)):
        async with store.at_time(at) as exports:
            assert (await exports.latest(ana) is not None) is is_there
            assert (await exports.fetch(ana) is not None) is (is_there and answered)
    await store.hear(*answer(asked, name="a_2"), at=end)
    await store.make(export, end)
    assert await store.fetch(ana, end) is None
    async with store.at_time(end) as exports:
        assert await exports.forget(limit=10) == 1
        assert await exports.hold(ana) == []


async def test_of_an_erased_person_nothing_is_left_and_nothing_is_made(store: Store) -> None:
    ana = await store.person()
    export = await store.start(ana)
    asked = await store.asked(ana)
    await store.hear(*answer(asked))
    await store.erase(ana)
    await store.make(export)
    await store.hear(*answer(asked, name="a_2"))
    async with store.at_time() as exports:
        assert await exports.hold(ana) is None
        assert await exports.latest(ana) is None and await exports.fetch(ana) is None
    assert [one for one in await store.said() if isinstance(one, ExportReadyV1)] == []


async def test_what_is_kept_is_sealed_to_its_person(databases: Databases) -> None:
    async with databases.pool(*MIGRATIONS_OF["signup"]) as pool:

        @asynccontextmanager
        async def opened(at: datetime = NOON) -> AsyncIterator[Exports]:
            async with unit_of_work(pool, at=at, source="signup") as unit:
                yield PostgresExports(unit, first_epoch(KEY))

        store = Store(opened, pool=pool)
        ana = await store.person()
        export = await store.start(ana)
        await store.hear(*answer(await store.asked(ana), {"grants.json": b"A secret of Ana"}))

        async def kept() -> str:
            rows: Sequence[object] = await pool.fetch(
                "SELECT exports::text, export_parts::text FROM exports LEFT JOIN export_parts ON export = name"
            )
            return str(rows)

        assert "secret" not in await kept() and b"secret".hex() not in await kept()
        await store.make(export)
        row = await pool.fetchrow("SELECT * FROM exports")
        assert row is not None and row["box"][:2] != b"PK" and b"resume.json" not in row["box"]
        assert row["private_key"] is None and await pool.fetchval("SELECT count(*) FROM export_parts") == 0
        await pool.execute("UPDATE identities SET messages_key = sha256('another')")
        assert await store.fetch(ana) is None, "without its person's key it opens no more"
