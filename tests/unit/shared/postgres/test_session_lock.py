"""A lock of a session never goes back to the pool with its connection, whatever happens to its statements."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from shared.postgres import migrate as migrate_module
from shared.postgres.migrate import PLUMBING, migrate
from shared.postgres.pool import Pool, open_pool
from tests.waiting import until

_GATE = 99
_NO_ANSWER = {
    "lock": f"SELECT pg_try_advisory_lock({{0}}), pg_advisory_xact_lock_shared({_GATE})",
    "unlock": f"SELECT pg_advisory_xact_lock_shared({_GATE}), {{0}}",
}
"""By statement, one that is not answered before the gate opens; the lock is held meanwhile."""


def _migration(pool: Pool, silent: str, monkeypatch: pytest.MonkeyPatch) -> asyncio.Task[Sequence[str]]:
    name = {"lock": "_TAKE", "unlock": "_GIVE_BACK"}[silent]
    monkeypatch.setattr(migrate_module, name, _NO_ANSWER[silent].format("$1::bigint"))
    return asyncio.create_task(migrate(pool, PLUMBING))


@pytest.mark.parametrize("silent", _NO_ANSWER)
@pytest.mark.parametrize("begin", [_migration], ids=["a migration"])
async def test_a_connection_whose_lock_may_be_held_still_is_closed(
    database: str,
    begin: Callable[[Pool, str, pytest.MonkeyPatch], asyncio.Task[object]],
    silent: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool, other = [await open_pool(database, name=name, connections=1) for name in ("test", "other")]
    held = (
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND application_name = 'test'"
    )

    async def is_held_and_unanswered() -> bool:
        return bool(await other.fetchval(f"{held} AND granted AND wait_event_type = 'Lock'"))

    async def nobody_holds_it() -> bool:
        return not await other.fetchval(held)

    await other.execute(f"SELECT pg_advisory_lock({_GATE})")
    task = begin(pool, silent, monkeypatch)
    await until(is_held_and_unanswered, what="the lock is held, and its statement is not answered")
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await other.execute(f"SELECT pg_advisory_unlock({_GATE})")
    await until(nobody_holds_it, what="the lock is free")
    assert await pool.fetchval("SELECT 1") == 1
    await other.close()
    await pool.close()
