"""`fairpool status` on the running product."""

import asyncio
import json

from typer.testing import CliRunner, Result

from deploy.cli import app
from deploy.local.services import NAMES
from tests.e2e.scene import Scene
from tests.waiting import until


async def _status(scene: Scene, *arguments: str) -> Result:
    home = str(scene.stack.home.root)
    return await asyncio.to_thread(CliRunner().invoke, app, ["status", "--home", home, *arguments])


async def test_status_tells_of_every_process_its_lag_and_ages(scene: Scene) -> None:
    async def told() -> bool:
        parts = {part["name"]: part for part in json.loads((await _status(scene, "--json")).stdout)["parts"]}
        # the first figures come with the watchdog's first look
        return (
            all(parts[name].get("lag") for name in NAMES)
            and all(parts[name].get("outbox_age_seconds") is not None for name in NAMES)
            and parts["outreach_gateway"].get("oldest_due_seconds") is not None
            and set(parts["courier"]["lag"]) == readers
        )

    readers = {
        "courier.outreach-decisions",
        "courier.notices",
        "courier.erasures",
        "projection of consent-state",
        "projection of tenants",
    }
    await until(told, what="each process tells its lag and ages, and the courier that of each reader")
    parts = {part["name"]: part for part in json.loads((await _status(scene, "--json")).stdout)["parts"]}
    assert "lag" not in parts["kafka"]


async def test_status_is_a_table_for_people(scene: Scene) -> None:
    done = await _status(scene)
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["PART", "STATE", "PID", "PORT", "RESTARTS", "SINCE", "LAG", "OUTBOX", "DUE", "HOLDS"]
    assert {row.split()[0] for row in rows if row} >= set(NAMES)
