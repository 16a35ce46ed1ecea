"""Who keeps epoch keys: the fake, a directory, AWS KMS (its own client against moto) and Vault's transit engine (a stand-in of ours)."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest
from prometheus_client import REGISTRY

from services.signup.vault.epoch_rows import SQL, EpochRows
from services.signup.vault.epochs import EpochKeeper, Epochs, KeeperAwayError, KeyGoneError, UnknownEpochError
from services.signup.vault.keepers import keeper_of
from services.signup.vault.keepers.file import FileKeeper
from services.signup.vault.keepers.transit import TransitKeeper
from services.signup.vault.watching import ASKS_EVERY, EpochWatch
from shared.postgres.pool import Connection, Pool
from shared.security.boxes import CannotOpenError
from shared.service.parts import Parts
from tests.fakes.clock import FixedClock
from tests.fakes.keeper import FakeKeeper
from tests.fakes.transit import TOKEN, FakeTransit
from tests.waiting import until

KEY = bytes(range(32))
NAME = "epoch-1-0192f0c1-2a3b-7c4d-8e5f-60718293a4b5"


@dataclass
class Kept:
    """A keeper, and a way to take it away."""

    keeper: EpochKeeper
    behind: Any

    def leaves(self) -> None:
        match self.behind:
            case FakeKeeper() | FakeTransit():
                self.behind.is_away = True
            case Path():
                self.behind.rename(self.behind.with_name("elsewhere"))
            case _:
                pytest.skip("moto is in this process, and always there")


@pytest.fixture(params=["fake", "file", "kms", "transit"])
def kept(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    match request.param:
        case "fake":
            fake = FakeKeeper()
            yield Kept(fake, fake)
        case "file":
            yield Kept(FileKeeper(tmp_path / "keys"), tmp_path / "keys")
        case "transit":
            transit = FakeTransit()
            (tmp_path / "token").write_text(f"{TOKEN}\n")
            yield Kept(TransitKeeper("https://vault.test", "transit", tmp_path / "token", transport=transit), transit)
        case _:
            moto = pytest.importorskip("moto", reason="moto is not installed here: `make test-keepers` has it")
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                monkeypatch.setenv(name, "testing")
            with moto.mock_aws():
                yield Kept(keeper_of("aws-kms:///us-east-1"), None)


async def test_a_key_comes_back_by_its_reference_which_says_nothing_of_it(kept: Kept) -> None:
    reference = await kept.keeper.make(NAME, KEY)
    assert await kept.keeper.open(reference) == KEY
    assert KEY.hex() not in reference
    assert len(reference) < 1000


async def test_made_again_under_its_name_there_is_still_one_that_opens(kept: Kept) -> None:
    first = await kept.keeper.make(NAME, KEY)
    again = await kept.keeper.make(NAME, bytes(32))
    assert await kept.keeper.open(first) == KEY
    assert await kept.keeper.open(again) in (KEY, bytes(32))


async def test_two_who_make_the_same_at_once_both_get_one_that_opens(kept: Kept) -> None:
    made = await asyncio.gather(*(kept.keeper.make(NAME, bytes([number]) * 32) for number in range(4)))
    for reference in made:
        assert len(await kept.keeper.open(reference)) == 32


async def test_a_destroyed_key_is_gone_and_its_neighbour_is_not(kept: Kept) -> None:
    reference = await kept.keeper.make(NAME, KEY)
    other = await kept.keeper.make("epoch-2-x", bytes(32))
    await kept.keeper.destroy(reference)
    with pytest.raises(KeyGoneError):
        await kept.keeper.open(reference)
    assert await kept.keeper.open(other) == bytes(32)
    await kept.keeper.destroy(reference)


async def test_a_keeper_that_is_away_has_lost_nothing(kept: Kept) -> None:
    reference = await kept.keeper.make(NAME, KEY)
    kept.leaves()
    with pytest.raises(KeeperAwayError):
        await kept.keeper.open(reference)


class Table:
    """`epochs`, as far as it is read."""

    def __init__(self, references: Mapping[int, str]) -> None:
        self.references = references

    async def fetch(self, query: str) -> list[dict[str, Any]]:
        if query == SQL["epochs_to_make"]:
            return []
        return [{"epoch": epoch, "reference": reference} for epoch, reference in self.references.items()]


async def test_a_key_that_its_keeper_lost_is_missed_while_it_is_still_in_memory(kept: Kept) -> None:
    references = {
        1: await kept.keeper.make(NAME, KEY),
        2: await kept.keeper.make("epoch-2-x", bytes(32)),
        3: await kept.keeper.make("epoch-3-x", bytes([3]) * 32),
    }
    table = cast("Connection", Table(references))
    rows = EpochRows(Epochs(), kept.keeper)
    await rows.refresh(table)
    await rows.ask_keeper()
    assert [sorted(rows.in_memory_alone), sorted(rows.lost)] == [[], []]
    await kept.keeper.destroy(references[2])
    await rows.refresh(table)
    await rows.ask_keeper()
    assert [sorted(rows.in_memory_alone), sorted(rows.lost)] == [[2], []]
    assert rows.epochs.key(2) == bytes(32), "everything goes on, and nothing else would say so"
    restarted = EpochRows(Epochs(), kept.keeper)
    await restarted.refresh(table)
    await restarted.ask_keeper()
    assert [sorted(restarted.in_memory_alone), sorted(restarted.lost)] == [[], [2]]


class OnePool:
    """A pool whose connection has this one table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Table]:
        yield self._table


@asynccontextmanager
async def looking(
    kept: Kept, references: Mapping[int, str], clock: FixedClock
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """A worker that looks by its timer, as signup's does but every few milliseconds; gives a way to wait for two more looks."""
    looks, pool, parts = 0, cast("Pool", OnePool(Table(references))), Parts(Mock(), Mock(), Mock())
    rows = EpochRows(Epochs(), kept.keeper)
    watch = EpochWatch(rows, lambda: pool, clock, makes=True)

    async def look() -> None:
        nonlocal looks
        await watch.look()
        looks += 1

    async def looked() -> None:
        enough = looks + 2
        await until(lambda: looks >= enough, what="it looks again and again")

    parts.every(timedelta(milliseconds=2), "epochs", look)
    [(_, run)] = parts.jobs

    async def turns() -> None:
        await run()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(turns())
        await looked()
        yield looked
        task.cancel()


def missed() -> float | None:
    return REGISTRY.get_sample_value("fairpool_vault_keys_lost", {"state": "in_memory"})


async def test_the_timer_asks_the_keeper_once_an_hour_for_keys_that_are_in_memory(kept: Kept) -> None:
    clock = FixedClock()
    references = {1: await kept.keeper.make(NAME, KEY), 2: await kept.keeper.make("epoch-2-x", bytes(32))}
    async with looking(kept, references, clock) as looked:
        assert missed() == 0
        await kept.keeper.destroy(references[2])
        clock.advance(ASKS_EVERY - timedelta(seconds=1))
        await looked()
        assert missed() == 0, "the hour is not over"
        clock.advance(timedelta(seconds=1))
        await until(lambda: missed() == 1, what="the lost key is missed at the hour")


async def test_a_deletion_at_aws_that_was_cancelled_ends_the_alarm_a_minute_later(kept: Kept) -> None:
    if not hasattr(kept.keeper, "_client"):
        pytest.skip("only AWS keeps a key for days after it was told to destroy it")
    clock, client = FixedClock(), kept.keeper._client
    references = {1: await kept.keeper.make(NAME, KEY)}
    async with looking(kept, references, clock) as looked:
        key = json.loads(references[1])["key"]
        client.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        clock.advance(ASKS_EVERY)
        await until(lambda: missed() == 1, what="a key whose deletion is pending is missed")
        client.cancel_key_deletion(KeyId=key)
        client.enable_key(KeyId=key)
        await looked()
        assert missed() == 1, "the minute is not over"
        clock.advance(timedelta(minutes=1))
        await until(lambda: missed() == 0, what="the alarm ends")


async def test_a_clock_that_was_set_back_lets_the_keeper_be_asked_at_once() -> None:
    keeper, clock = FakeKeeper(), FixedClock()
    references = {1: await keeper.make(NAME, KEY)}
    async with looking(Kept(keeper, keeper), references, clock):
        keeper.keys.clear()
        clock.advance(-timedelta(days=1))
        await until(lambda: missed() == 1, what="it is asked")


async def test_a_key_that_came_back_to_its_keeper_is_missed_no_more() -> None:
    keeper = FakeKeeper()
    table = cast("Connection", Table({1: await keeper.make(NAME, KEY)}))
    rows = EpochRows(Epochs(), keeper)
    await rows.refresh(table)
    keeper.keys[NAME] = bytes(32)
    await rows.ask_keeper()
    assert rows.in_memory_alone == {1}, "another key under its name opens nothing either"
    keeper.keys[NAME] = KEY
    await rows.ask_keeper()
    assert rows.in_memory_alone == set()


async def test_what_was_lost_and_is_found_again_or_given_up_is_lost_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that once missed a key is not ready for ever without one."""
    monkeypatch.setattr("services.signup.vault.epoch_rows._ASKED_AGAIN_AFTER", 0.0)
    keeper = FakeKeeper()
    table = Table({1: await keeper.make(NAME, KEY), 2: await keeper.make("epoch-2-x", bytes(32))})
    kept, rows = dict(keeper.keys), EpochRows(Epochs(), keeper)
    keeper.keys.clear()
    await rows.refresh(cast("Connection", table))
    assert rows.lost == {1, 2}
    keeper.keys[NAME] = kept[NAME]
    await rows.refresh(cast("Connection", table))
    assert rows.lost == {2}
    table.references = {1: table.references[1]}
    await rows.refresh(cast("Connection", table))
    assert rows.lost == set()
    rows.epochs.keep_only([])
    with pytest.raises(UnknownEpochError):
        await EpochWatch(rows, Mock(), FixedClock(), makes=False).check()


async def test_a_keeper_that_is_away_is_not_taken_for_one_that_lost_its_keys(kept: Kept) -> None:
    table = cast("Connection", Table({1: await kept.keeper.make(NAME, KEY)}))
    rows = EpochRows(Epochs(), kept.keeper)
    await rows.refresh(table)
    kept.leaves()
    with pytest.raises(KeeperAwayError):
        await rows.ask_keeper()
    assert [sorted(rows.in_memory_alone), sorted(rows.lost)] == [[], []]


async def test_a_file_is_its_user_s_alone_and_nothing_else_lies_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    reference = await FileKeeper(folder).make(NAME, KEY)
    assert [path.name for path in folder.iterdir()] == [reference]
    assert stat.S_IMODE((folder / reference).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_file_that_was_cut_short_is_no_key(tmp_path: Path) -> None:
    reference = await FileKeeper(tmp_path).make(NAME, KEY)
    (tmp_path / reference).write_bytes(KEY[:20])
    with pytest.raises(KeyGoneError):
        await FileKeeper(tmp_path).open(reference)


async def test_a_directory_that_may_only_be_read_is_away_for_who_makes(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeeperAwayError):
        await FileKeeper(tmp_path / "file").make(NAME, KEY)


@pytest.mark.parametrize("name", ["../escape", "", ".hidden", "a/b", "UPPER"])
async def test_a_name_stays_in_its_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        await FileKeeper(tmp_path).make(name, KEY)


@pytest.mark.parametrize("how", ["sealed", "token"])
async def test_a_vault_that_is_sealed_or_does_not_know_us_is_away(tmp_path: Path, how: str) -> None:
    transit, token = FakeTransit(), tmp_path / "token"
    token.write_text(TOKEN)
    keeper = TransitKeeper("https://vault.test", "transit", token, transport=transit)
    reference = await keeper.make(NAME, KEY)
    if how == "sealed":
        transit.is_sealed = True
    else:
        token.write_text("one that ran out")
    with pytest.raises(KeeperAwayError):
        await keeper.open(reference)
    transit.is_sealed = False
    token.write_text(TOKEN)
    assert await keeper.open(reference) == KEY


def test_a_key_in_memory_is_not_lost() -> None:
    epochs = Epochs({2: KEY})
    epochs.lose(2)
    epochs.lose(1)
    assert epochs.key(2) == KEY
    with pytest.raises(CannotOpenError):
        epochs.key(1)


def test_a_url_says_who_keeps_them() -> None:
    assert isinstance(keeper_of("file:///var/lib/fairpool/keys"), FileKeeper)
    assert isinstance(keeper_of("vault+https://vault.internal:8200/transit?token-file=/run/token"), TransitKeeper)


async def test_a_transit_engine_that_is_not_mounted_has_destroyed_nothing(tmp_path: Path) -> None:
    transit, token = FakeTransit(), tmp_path / "token"
    token.write_text(TOKEN)
    keeper = TransitKeeper("https://vault.test", "transit", token, transport=transit)
    reference = await keeper.make("epoch-1", KEY)
    transit.is_unmounted = True
    for ask in (keeper.open, keeper.destroy):
        with pytest.raises(KeeperAwayError):
            await ask(reference)
    transit.is_unmounted = False
    assert await keeper.open(reference) == KEY


async def test_what_vault_says_of_a_key_that_it_has_and_does_not_decrypt_with_is_told_to_the_operator(
    tmp_path: Path,
) -> None:
    transit, token = FakeTransit(), tmp_path / "token"
    token.write_text(TOKEN)
    keeper = TransitKeeper("https://vault.test", "transit", token, transport=transit)
    reference = await keeper.make("epoch-1", KEY)
    transit.is_trimmed = True
    with pytest.raises(KeeperAwayError, match=r"400: ciphertext or signature version is disallowed by policy"):
        await keeper.open(reference)
