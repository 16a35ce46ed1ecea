import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared import clock as module
from shared.clock import Clock
from tests.fakes.clock import NOON, FixedClock

DAY = 86_400_000


@pytest.fixture(autouse=True)
def look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_EVERY", 0.0)


def replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def test_without_a_file_it_is_real_time_in_utc() -> None:
    now = Clock().now()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


def test_the_offset_in_the_file_moves_it_and_is_read_again_when_the_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    path.write_text(f"{DAY}\n")
    clock = Clock(path)
    assert clock.offset_ms == DAY
    assert timedelta(hours=23) < clock.now() - datetime.now(UTC) < timedelta(hours=25)
    replace(path, str(-2 * DAY))
    assert clock.offset_ms == -2 * DAY


def test_a_file_rewritten_in_place_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    path.write_text("1000")
    clock = Clock(path)
    assert clock.offset_ms == 1000
    path.write_text("2000")
    os.utime(path, ns=(1, 1))
    assert clock.offset_ms == 2000


def test_the_file_is_looked_at_no_more_than_every_twenty_milliseconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK_EVERY", 3600.0)
    path = tmp_path / "clock"
    path.write_text("1000")
    clock = Clock(path)
    assert clock.offset_ms == 1000
    replace(path, "2000")
    assert clock.offset_ms == 1000


@pytest.mark.parametrize("garbled", ["", "soon", "1.5", "9" * 30, "\x00", "ü"])
def test_a_garbled_file_leaves_the_last_offset_and_is_logged_once(tmp_path: Path, garbled: str) -> None:
    path = tmp_path / "clock"
    path.write_text("5000")
    clock = Clock(path)
    assert clock.offset_ms == 5000
    with capture_logs() as logs:
        replace(path, garbled)
        assert [clock.offset_ms, clock.offset_ms, clock.offset_ms] == [5000] * 3
    assert [entry["event"] for entry in logs] == ["clock_file_unreadable"]
    replace(path, "6000")
    assert clock.offset_ms == 6000


def test_a_file_that_is_not_there_yet_is_read_once_it_is(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    assert clock.offset_ms == 0
    (tmp_path / "clock").write_text("7000")
    assert clock.offset_ms == 7000


def test_the_fake_stands_still_until_it_is_moved() -> None:
    clock = FixedClock()
    assert clock.now() == clock.now() == NOON
    clock.advance(timedelta(days=7))
    assert clock.now() == NOON + timedelta(days=7)
    clock.at(NOON)
    assert clock.now() == NOON
    assert abs(datetime.now(UTC) + timedelta(milliseconds=clock.offset_ms) - NOON) < timedelta(seconds=5)
