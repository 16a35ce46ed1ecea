"""A rotation of the vault: everything is under the new key, the old one is destroyed, whoever is killed or late on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from prometheus_client import REGISTRY

from services.signup.adapters import rotation
from services.signup.adapters.intake_keys import DayShutError, IntakeKeys
from services.signup.adapters.postgres import PostgresStore
from services.signup.adapters.rotation import PostgresRotation
from services.signup.adapters.sources import PostgresSources
from services.signup.api import vault
from services.signup.model.hooks import Source
from services.signup.model.records import Stub
from services.signup.model.vault import Rotation
from services.signup.ports.intake import SourceShutError
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.epochs import Epochs, KeeperAwayError, KeyGoneError, UnknownEpochError
from services.signup.vault.intake import intake_content_key
from services.signup.vault.reading import as_identity, read_identities
from services.signup.vault.sealing import Identity, SealedIdentity, open_identity, open_key_pair, seal_identity
from services.signup.vault.watching import ASKS_EVERY, EpochWatch
from shared.messaging.errors import FatalError, is_transient
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool
from shared.security import boxes
from shared.security.boxes import CannotOpenError
from shared.security.words import KeyPair
from shared.web.app import create_app
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.keeper import FakeKeeper, begun
from tests.integration.signup.conftest import KEYS, Edge

PEOPLE = [str(UUID(int=number)) for number in range(1, 8)]
OLD_KEY = bytes(range(32))
DAY = date(2026, 11, 22)


class KilledError(Exception):
    """The process ends here, and nothing of the transaction is committed."""


@asynccontextmanager
async def unit_on(pool: Pool) -> AsyncIterator[Unit]:
    async with unit_of_work(pool, at=NOON, source="signup") as unit:
        yield unit


@pytest.fixture
def keeper() -> FakeKeeper:
    return FakeKeeper()


@pytest.fixture
async def rows(pool: Pool, keeper: FakeKeeper) -> EpochRows:
    """A vault of seven people, in its first epoch."""
    made = await begun(pool, keeper, OLD_KEY)
    await keep(pool, made, *PEOPLE)
    return made


def identity_of(candidate: str) -> Identity:
    return Identity(f"canary{candidate[-2:]}@people.example", "Ana", None, ("+13035550100",))


def keys_of(rows: EpochRows) -> IntakeKeys:
    return IntakeKeys(rows, intake_content_key(OLD_KEY))


async def keep(pool: Pool, rows: EpochRows, *candidates: str) -> None:
    async with unit_on(pool) as unit:
        store = PostgresStore(unit, keys_of(rows))
        await store.register([Stub(one, one.encode(), NOON) for one in candidates])
        await store.save_identities(
            [seal_identity(one, identity_of(one), KeyPair.generate(), rows.epochs) for one in candidates]
        )


async def sealed(pool: Pool, rows: EpochRows) -> list[SealedIdentity]:
    async with pool.acquire() as connection:
        every = [row["candidate"] for row in await connection.fetch("SELECT candidate::text FROM identities")]
        return list((await read_identities(connection, every, rows)).values())


async def ask(pool: Pool, rows: EpochRows) -> None:
    async with unit_on(pool) as unit:
        await PostgresRotation(unit, rows).begin(by="ops")


async def step(pool: Pool, rows: EpochRows, *, killed: bool = False) -> bool:
    async with unit_on(pool) as unit:
        more = await PostgresRotation(unit, rows, batch=3).step()
        if killed:
            raise KilledError
        return more


async def finish(pool: Pool, rows: EpochRows) -> int:
    steps = 1
    while await step(pool, rows):
        steps += 1
    return steps


async def seen(pool: Pool, rows: EpochRows) -> Rotation:
    async with unit_on(pool) as unit:
        found = (await PostgresRotation(unit, rows).seen()).rotation
    assert found is not None
    return found


async def must_be_whole(pool: Pool, rows: EpochRows, keeper: FakeKeeper, *, people: int = len(PEOPLE)) -> None:
    """Everybody opens, under the new epoch alone, and its key is the only one that is left."""
    found = await sealed(pool, rows)
    assert len(found) == people
    for row in found:
        assert row.epoch == 2
        assert open_identity(row, rows.epochs) == identity_of(row.candidate)
        assert open_key_pair(row, rows.epochs).public == row.public_key
    assert await pool.fetchval("SELECT array_agg(epoch) FROM epochs") == [2]
    assert list(keeper.keys) == [await pool.fetchval("SELECT name FROM epochs WHERE epoch = 2")]
    assert (await seen(pool, rows)).state == "done"


async def test_after_a_rotation_everybody_opens_and_what_was_read_before_it_does_not(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows
) -> None:
    dump = await sealed(pool, rows)
    await ask(pool, rows)
    await finish(pool, rows)
    await must_be_whole(pool, rows, keeper)
    done = await seen(pool, rows)
    assert (done.rewrapped, done.left, done.unreadable, done.asked_by) == (7, 0, 0, "ops")
    for row in dump:
        for key in (*keeper.keys.values(), *(rows.epochs.key(epoch) for epoch in rows.epochs.known)):
            with pytest.raises(CannotOpenError):
                open_identity(row, Epochs({row.epoch: key}))


async def test_the_three_boxes_of_an_older_vault_become_one(pool: Pool, keeper: FakeKeeper, rows: EpochRows) -> None:
    older, key = PEOPLE[0], boxes.new_key()

    def box(field: str, plain: str) -> bytes:
        return boxes.seal(key, plain.encode(), context=f"{older}:{field}:1")

    await pool.execute(
        "UPDATE identities SET identity = NULL, identity_key = $2, mail = $3, name = $4, phones = $5 WHERE candidate = $1",
        older,
        boxes.seal(OLD_KEY, key, context=f"{older}:identity_key:1"),
        box("mail", identity_of(older).mail),
        box("name", '{"given": "Ana", "family": null}'),
        box("phones", '["+13035550100"]'),
    )
    (row,) = [one for one in await sealed(pool, rows) if one.candidate == older]
    assert open_identity(row, rows.epochs) == identity_of(older)
    await ask(pool, rows)
    await finish(pool, rows)
    await must_be_whole(pool, rows, keeper)
    assert await pool.fetchval("SELECT count(*) FROM identities WHERE identity IS NULL OR mail <> ''") == 0


def sources_of(pool: Pool, epochs: EpochRows) -> PostgresSources:
    return PostgresSources(lambda: pool, lambda: unit_on(pool), epochs, FixedClock().now, kept=timedelta(minutes=1))


async def test_intake_keys_and_webhooks_secrets_move_too(pool: Pool, keeper: FakeKeeper, rows: EpochRows) -> None:
    sources = partial(sources_of, pool)
    day_key = await keys_of(rows).for_day(pool, DAY)
    await sources(rows).add(Source("greenhouse", "one", "acme", "emp_one", "first"), by="ops")
    await sources(rows).rotate("greenhouse", "one", "second", previous_until=NOON + timedelta(minutes=1), by="ops")
    await ask(pool, rows)
    await finish(pool, rows)
    await must_be_whole(pool, rows, keeper)
    another = await begun(pool, keeper)
    assert await keys_of(another).for_day(pool, DAY) == day_key
    found = await sources(another).find("greenhouse", "one")
    assert found is not None
    assert (found.secret, found.previous) == ("second", "first")


@pytest.mark.parametrize("at", range(6))
async def test_killed_at_any_step_it_goes_on_and_ends(pool: Pool, keeper: FakeKeeper, rows: EpochRows, at: int) -> None:
    """What the step did at the keeper stays, what it wrote does not: as a process that dies before its commit leaves it."""
    await ask(pool, rows)
    for _ in range(at):
        if not await step(pool, rows):
            break
    with pytest.raises(KilledError):
        await step(pool, rows, killed=True)
    another = await begun(pool, keeper)
    await finish(pool, another)
    await must_be_whole(pool, another, keeper)


async def test_the_steps_are_as_many_as_are_killed(pool: Pool, rows: EpochRows) -> None:
    await ask(pool, rows)
    assert await finish(pool, rows) == 6


async def test_whoever_is_registered_under_the_old_key_meanwhile_is_found_by_another_sweep(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows
) -> None:
    late, stale = str(UUID(int=0)), await begun(pool, keeper)  # before all whom the sweep has passed
    await ask(pool, rows)
    for _ in range(4):  # made, and all seven moved
        assert await step(pool, rows)
    assert await pool.fetchval("SELECT count(*) FROM identities WHERE epoch = 1") == 0
    await keep(pool, stale, late)
    assert await pool.fetchval("SELECT count(*) FROM identities WHERE epoch = 1") == 1
    await finish(pool, rows)
    await must_be_whole(pool, rows, keeper, people=8)


async def test_nothing_is_sealed_under_an_epoch_that_has_ended(pool: Pool, keeper: FakeKeeper, rows: EpochRows) -> None:
    late, stale = str(UUID(int=99)), await begun(pool, keeper)
    await ask(pool, rows)
    await finish(pool, rows)
    with pytest.raises(UnknownEpochError) as refused:
        await keep(pool, stale, late)
    assert is_transient(refused.value)
    async with pool.acquire() as connection:
        await stale.refresh(connection)
    await keep(pool, stale, late)
    await must_be_whole(pool, stale, keeper, people=8)


async def test_whoever_has_not_heard_of_the_new_epoch_reads_it_all_the_same(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows
) -> None:
    stale = await begun(pool, keeper)
    await ask(pool, rows)
    await finish(pool, rows)
    await must_be_whole(pool, stale, keeper)


async def test_two_rotations_at_once_are_one(pool: Pool, keeper: FakeKeeper, rows: EpochRows) -> None:
    await asyncio.gather(ask(pool, rows), ask(pool, rows))
    assert await pool.fetchval("SELECT count(*) FROM rotations") == 1
    assert await pool.fetchval("SELECT count(*) FROM operator_log WHERE act = 'vault_rotated'") == 1
    await finish(pool, rows)
    await must_be_whole(pool, rows, keeper)


async def test_while_the_keeper_is_away_it_waits_and_loses_nothing(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows
) -> None:
    await ask(pool, rows)
    for _ in range(20):
        keeper.is_away = True
        try:
            await step(pool, rows)
        except KeeperAwayError as error:
            assert is_transient(error)
        assert [open_identity(one, rows.epochs).mail for one in await sealed(pool, rows)]
        keeper.is_away = False
        if not await step(pool, rows):
            break
    await must_be_whole(pool, rows, keeper)


async def test_a_lost_key_stops_a_rotation_before_anything_is_moved(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows
) -> None:
    lost = dict(keeper.keys)
    keeper.keys.clear()
    another = await begun(pool, keeper)
    await ask(pool, another)
    assert await step(pool, another)
    with pytest.raises(KeyGoneError, match="epochs \\[1\\]"):
        await step(pool, another)
    assert await pool.fetchval("SELECT count(*) FROM identities WHERE epoch = 1") == 7
    keeper.keys |= lost
    found = await begun(pool, keeper)
    await finish(pool, found)
    await must_be_whole(pool, found, keeper)


async def test_what_the_keeper_lost_is_seen_while_it_is_in_memory_and_a_rotation_saves_everybody(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows
) -> None:
    def lost(state: str) -> float | None:
        return REGISTRY.get_sample_value("fairpool_vault_keys_lost", {"state": state})

    clock = FixedClock()
    watch, edge = EpochWatch(rows, lambda: pool, clock, makes=True), await begun(pool, keeper)
    await watch.look()
    assert (lost("in_memory"), lost("gone")) == (0, 0)
    kept = dict(keeper.keys)
    keeper.keys.clear()
    async with unit_on(pool) as unit:
        (epoch,) = (await PostgresRotation(unit, edge).seen()).epochs
    assert (epoch.is_lost, epoch.is_in_memory_alone) == (False, True), "at once to who looks"
    clock.advance(ASKS_EVERY - timedelta(seconds=1))
    await watch.look()
    assert lost("in_memory") == 0, "it is asked once an hour"
    clock.advance(timedelta(seconds=1))
    await watch.look()
    assert (lost("in_memory"), lost("gone")) == (1, 0)
    keeper.keys |= kept
    await EpochWatch(edge, lambda: pool, clock, makes=False).look()
    assert lost("in_memory") == 0, "an edge that missed it once asks until it is back"
    keeper.keys.clear()
    restarted = await begun(pool, keeper)
    await EpochWatch(restarted, lambda: pool, clock, makes=False).look()
    assert (lost("in_memory"), lost("gone")) == (0, 1)
    await ask(pool, rows)
    await finish(pool, rows)
    await must_be_whole(pool, await begun(pool, keeper), keeper)
    await watch.look()
    assert (lost("in_memory"), lost("gone")) == (0, 0)


async def test_a_keeper_that_does_not_answer_is_shown_and_stops_no_watch(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows
) -> None:
    for is_away in (True, False):
        keeper.is_away = is_away
        watch = EpochWatch(rows, lambda: pool, FixedClock(), makes=True)
        await watch.look()
        assert REGISTRY.get_sample_value("fairpool_vault_keeper_away") == is_away
        async with unit_on(pool) as unit:
            said = await PostgresRotation(unit, rows).seen()
        assert (said.keeper_is_away, said.epochs[0].is_in_memory_alone) == (is_away, False)


async def test_what_is_lost_for_good_is_given_up_by_an_operator_alone(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows
) -> None:
    await keys_of(rows).for_day(pool, DAY)
    keeper.keys.clear()
    another = await begun(pool, keeper)
    assert another.lost == {1}
    for row in await sealed(pool, another):  # of one person alone, who holds up nobody else
        with pytest.raises(CannotOpenError):
            open_identity(row, another.epochs)
    async with unit_on(pool) as unit:
        await PostgresRotation(unit, another).begin(by="ops", give_up_lost=True)
    await finish(pool, another)
    done = await seen(pool, another)
    assert (done.state, done.rewrapped, done.unreadable, done.days_forgotten) == ("done", 7, 8, (DAY,))
    assert await pool.fetchval("SELECT reason FROM operator_log WHERE act = 'vault_given_up'") == (
        "epochs whose keys are lost: 1"
    )
    assert await pool.fetchval("SELECT array_agg(epoch) FROM epochs") == [2]
    late = str(UUID(int=99))
    await keep(pool, another, late)
    (row,) = [one for one in await sealed(pool, another) if one.candidate == late]
    assert open_identity(row, another.epochs) == identity_of(late)


async def test_what_one_process_alone_finds_lost_is_not_given_up(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows
) -> None:
    """An operator asks one that has all keys; a worker's volume is not mounted."""
    async with unit_on(pool) as unit:
        await PostgresRotation(unit, rows).begin(by="ops", give_up_lost=True)
    assert await step(pool, rows), "the new key is made"
    unmounted = await begun(pool, FakeKeeper())
    with pytest.raises(KeyGoneError):
        await step(pool, unmounted)
    assert await pool.fetchval("SELECT count(*) FROM identities WHERE epoch = 1") == 7
    await finish(pool, rows)
    await must_be_whole(pool, rows, keeper)


@pytest.mark.parametrize("kept", [{1}, {2}])
async def test_a_key_that_this_process_forgets_on_the_way_loses_nobody(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows, monkeypatch: pytest.MonkeyPatch, kept: set[int]
) -> None:
    await ask(pool, rows)
    assert await step(pool, rows)

    def forgetting(row: asyncpg.Record) -> SealedIdentity:
        rows.epochs.keep_only(kept)
        return as_identity(row)

    with monkeypatch.context() as patch:
        patch.setattr(rotation, "as_identity", forgetting)
        with pytest.raises(UnknownEpochError):
            await step(pool, rows)
    await finish(pool, rows)
    await must_be_whole(pool, rows, keeper)
    assert (await seen(pool, rows)).unreadable == 0


async def test_a_row_that_never_opened_is_taken_along_and_counted(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows
) -> None:
    await pool.execute("UPDATE identities SET messages_key = $2 WHERE candidate = $1", PEOPLE[2], bytes(60))
    await ask(pool, rows)
    await finish(pool, rows)
    done = await seen(pool, rows)
    assert (done.state, done.rewrapped, done.unreadable) == ("done", 7, 1)


async def test_a_webhook_or_a_day_whose_key_does_not_open_stops_no_rotation_and_is_named(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows
) -> None:
    sources = sources_of(pool, rows)
    for name in ("one", "two"):
        await sources.add(Source("greenhouse", name, "acme", "emp_one", f"secret of {name}"), by="ops")
    whole_day, broken_day = DAY, DAY - timedelta(days=1)
    whole_key = await keys_of(rows).for_day(pool, whole_day)
    await keys_of(rows).for_day(pool, broken_day)
    await pool.execute("UPDATE sources SET sealed_secret = $1 WHERE source = 'one'", bytes(60))
    await pool.execute("UPDATE intake_keys SET sealed_key = $1 WHERE day = $2", bytes(60), broken_day)
    with pytest.raises(DayShutError) as waits:
        await keys_of(rows).for_day(pool, broken_day)
    assert is_transient(waits.value)
    await ask(pool, rows)
    await finish(pool, rows)
    await must_be_whole(pool, rows, keeper)
    done = await seen(pool, rows)
    assert (done.unreadable, done.sources_shut, done.days_forgotten) == (2, ("greenhouse/one",), (broken_day,))
    noted = await pool.fetch(
        "SELECT act, by, tenant, reason FROM operator_log WHERE act IN ('source_shut', 'intake_key_forgotten')"
    )
    assert {tuple(row) for row in noted} == {
        ("source_shut", "ops", "emp_one", "greenhouse/one"),
        ("intake_key_forgotten", "ops", None, broken_day.isoformat()),
    }
    another = await begun(pool, keeper)
    assert await keys_of(another).for_day(pool, whole_day) == whole_key
    assert len(await keys_of(another).for_day(pool, broken_day)) == 32, "the day goes on under another key"
    found = await sources_of(pool, another).find("greenhouse", "two")
    assert found is not None and found.secrets == ("secret of two",)


async def test_a_webhook_that_is_shut_opens_again_with_another_secret(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows
) -> None:
    await sources_of(pool, rows).add(Source("greenhouse", "one", "acme", "emp_one", "first"), by="ops")
    await pool.execute("UPDATE sources SET sealed_secret = $1", bytes(60))
    for _ in range(2):  # named once, and not again by the next one
        await ask(pool, rows)
        await finish(pool, rows)
    assert (await seen(pool, rows)).sources_shut == ()
    sources = sources_of(pool, rows)
    with pytest.raises(SourceShutError) as shut:
        await sources.find("greenhouse", "one")
    assert is_transient(shut.value)
    assert [one.is_shut for one in await sources.listed()] == [True]
    assert await sources.add(Source("greenhouse", "one", "acme", "emp_one", "first"), by="ops") == "different"
    until = NOON + timedelta(days=1)
    assert not await sources.rotate("greenhouse", "nobody", "second", previous_until=until, by="ops")
    assert await sources.rotate("greenhouse", "one", "second", previous_until=until, by="ops")
    found = await sources.find("greenhouse", "one")
    assert found is not None and found.secrets == ("second",)
    assert [one.is_shut for one in await sources.listed()] == [False]


async def test_a_secret_of_before_that_does_not_open_takes_nothing_from_the_present_one(
    pool: Pool, keeper: FakeKeeper, rows: EpochRows
) -> None:
    sources = sources_of(pool, rows)
    await sources.add(Source("greenhouse", "one", "acme", "emp_one", "first"), by="ops")
    await sources.rotate("greenhouse", "one", "second", previous_until=NOON + timedelta(minutes=1), by="ops")
    await pool.execute("UPDATE sources SET sealed_previous = $1", bytes(60))
    found = await sources.find("greenhouse", "one")
    assert found is not None and found.secrets == ("second",)
    await ask(pool, rows)
    await finish(pool, rows)
    found = await sources_of(pool, rows).find("greenhouse", "one")
    assert found is not None and found.secrets == ("second",)
    assert (await seen(pool, rows)).sources_shut == ()


async def test_a_key_that_is_made_and_not_noted_is_found_again(pool: Pool, keeper: FakeKeeper) -> None:
    name = await pool.fetchval("SELECT name FROM epochs WHERE epoch = 1")
    await keeper.make(name, bytes(32))
    rows = await begun(pool, keeper)
    assert rows.epochs.key(1) == bytes(32)


async def test_an_older_vault_does_not_start_without_its_key(pool: Pool, keeper: FakeKeeper, rows: EpochRows) -> None:
    await pool.execute("UPDATE epochs SET reference = NULL")
    with pytest.raises(FatalError, match="FAIRPOOL_VAULT_KEY is missing"):
        await begun(pool, FakeKeeper())


async def test_an_older_vault_does_not_take_another_vaults_key(pool: Pool, keeper: FakeKeeper, rows: EpochRows) -> None:
    await pool.execute("UPDATE epochs SET reference = NULL")
    with pytest.raises(FatalError, match="another vault's"):
        await begun(pool, FakeKeeper(), bytes(32))
    assert (await begun(pool, FakeKeeper(), rows.epochs.key(1))).epochs.known == {1}


async def test_a_box_of_somebody_else_does_not_open(pool: Pool, rows: EpochRows) -> None:
    one, two, *_ = await sealed(pool, rows)
    with pytest.raises(CannotOpenError):
        open_identity(replace(one, identity=two.identity), rows.epochs)


async def test_an_operator_asks_and_looks_and_nobody_else_does(edge: Edge, keeper: FakeKeeper) -> None:
    rows = await begun(edge.pool, keeper)

    async def ready() -> dict[str, Any]:
        return {}

    @asynccontextmanager
    async def opened() -> AsyncIterator[PostgresRotation]:
        async with unit_on(edge.pool) as unit:
            yield PostgresRotation(unit, rows)

    app = create_app("signup", "signup", ready=ready)
    app.include_router(vault.router(opened, opened, edge.tenants))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://signup.test") as http:
        employer, operator = ({"Authorization": f"Bearer {KEYS[name]}"} for name in ("emp_one", "ops"))
        assert (await http.post("/v1/vault/rotations", headers=employer)).status_code == 403
        assert (await http.get("/v1/vault", headers=operator)).json()["rotation"] is None
        asked = await http.post("/v1/vault/rotations", headers=operator)
        assert (asked.status_code, asked.json()["rotation"]["state"]) == (202, "making")
        assert (await http.post("/v1/vault/rotations", headers=operator)).json() == asked.json()
        await finish(edge.pool, rows)
        found = (await http.get("/v1/vault", headers=operator)).json()
    assert [one["epoch"] for one in found["epochs"]] == [2]
    assert {one["name"] for one in found["epochs"]} == keeper.keys.keys(), "what the keeper has besides is nobody's"
    assert (found["rotation"]["state"], found["rotation"]["asked_by"]) == ("done", "ops")
