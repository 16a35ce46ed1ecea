"""`fairpool work` on a real database: what was set aside is listed and shown, tried again, and closed."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from shared.postgres.pool import Pool
from shared.runner.model import Wanted
from shared.runner.postgres import PostgresWork
from tests.fakes.clock import NOON

run = CliRunner()


@pytest.fixture
async def set_aside(pool: Pool, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pool:
    """Two rows that were set aside, and one that was not."""
    monkeypatch.setenv("FAIRPOOL_CONSENT_DATABASE", database)
    monkeypatch.setenv("FAIRPOOL_HOME", str(tmp_path))
    async with pool.acquire() as connection, connection.transaction():
        rows = PostgresWork(connection)
        await rows.schedule([Wanted("tellings", key, NOON, payload={"n": 1}) for key in ("one", "two", "three")])
        lease = "00000000-0000-0000-0000-000000000001"
        await rows.claim("tellings", [0], 2, at=NOON, lease=lease, lasts=timedelta(minutes=1))
        for key in ("one", "three"):
            await rows.fail("tellings", lease, key, "failed: KeyError", again=None, at=NOON)
    return pool


async def asked(*arguments: str) -> Any:
    found = await asyncio.to_thread(run.invoke, app, ["work", *arguments, "--json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.output)


async def test_what_was_set_aside_is_listed_shown_replayed_and_closed(set_aside: Pool) -> None:
    assert await asked("list") == [
        {"service": "consent", "queue": "tellings", "waiting": 2, "oldest": NOON.isoformat()}
    ]
    rows = await asked("list", "--queue", "tellings")
    assert [(row["key"], row["reason"], row["attempts"]) for row in rows] == [
        ("one", "failed: KeyError", 1),
        ("three", "failed: KeyError", 1),
    ]
    assert (await asked("show", "consent", "tellings", "one"))["payload"] == {"n": 1}
    assert await asked("replay", "consent", "tellings", "--key", "one") == {"replayed": 1}
    assert await asked("close", "consent", "tellings", "--all") == {"closed": 1}
    assert await asked("list") == []
    left = await set_aside.fetch("SELECT key, attempts, set_aside_at FROM work ORDER BY key")
    assert [tuple(row) for row in left] == [("one", 0, None), ("two", 0, None)]


async def test_a_close_says_what_it_needs_and_a_show_of_nothing_says_so(set_aside: Pool) -> None:
    for arguments, words in (
        (["close", "consent", "tellings"], "expected --key, --limit or --all"),
        (["show", "consent", "tellings", "two"], "expected 'two' among what was set aside"),
        (["replay", "nobody", "tellings"], "expected one of signup"),
        (["replay", "consent", "tellings", "--key", "two"], "expected 'two' among what was set aside"),
        (["close", "consent", "nosuch", "--key", "one"], "expected 'one' among what was set aside of nosuch"),
    ):
        found = await asyncio.to_thread(run.invoke, app, ["work", *arguments])
        assert found.exit_code != 0
        assert words in found.output + (found.stderr if found.stderr_bytes else "")
