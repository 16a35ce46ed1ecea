"""Whoever sleeps by a clock that can be moved is told when it is."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared import clock_moves
from shared.clock import Clock
from shared.clock_moves import follow, told_of
from tests.waiting import clock_to_set, others_run, until


def move(path: Path, ahead_ms: int) -> None:
    """As `fairpool dev clock` does it."""
    new = path.with_suffix(".new")
    new.write_text(f"{ahead_ms}\n")
    new.replace(path)


@asynccontextmanager
async def following(path: Path) -> AsyncIterator[list[int]]:
    """The offsets that were told."""
    clock, told = Clock(path), list[int]()
    clock.when_moved(lambda: told.append(clock.offset_ms))
    task = asyncio.create_task(follow(clock, path))
    await others_run()
    yield told
    task.cancel()


def no_watch(_: Path) -> int:
    """A system without such a thing."""
    raise OSError


@pytest.mark.parametrize("tells", [True, False], ids=["told", "looks"])
async def test_a_move_is_told_once_and_so_is_the_next(
    tmp_path: Path, tells: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not tells:
        monkeypatch.setattr(clock_moves, "_watch", no_watch)
    path = tmp_path / "clock"
    move(path, 0)
    async with following(path) as told:
        for moves in (1, 2):
            move(path, moves * 1000)
            await until(lambda: len(told) == moves, what="the move is told")  # noqa: B023 - asked within the turn
        assert told == [1000, 2000]


@pytest.mark.skipif(not hasattr(os, "eventfd"), reason="inotify is Linux's")
async def test_it_is_told_without_a_look(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    with told_of(path) as written:
        assert written is not None
        await others_run()
        assert not written.is_set()
        move(path, 1000)
        await asyncio.wait_for(written.wait(), 60)


@pytest.mark.skipif(not hasattr(os, "eventfd"), reason="inotify is Linux's")
async def test_a_notice_that_is_lost_costs_five_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    watch = clock_moves._watch
    monkeypatch.setattr(clock_moves, "_watch", lambda _: watch(elsewhere))
    path = tmp_path / "clock"
    move(path, 0)
    with clock_to_set() as put_forward:
        async with following(path) as told:
            move(path, 1000)
            await others_run()
            assert not told
            put_forward(5)
            await until(lambda: told == [1000], what="the look that comes anyway")
