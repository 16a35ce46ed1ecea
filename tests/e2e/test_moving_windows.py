"""A seat that moves takes its windows along: what waited for a slot is sent in it, once, and nothing else fits beside it."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from tests.e2e.scene import Employer, Scene

pytestmark = pytest.mark.slow  # three employers, a move, and days that go by
_A_MOMENT = timedelta(seconds=1)


async def move(scene: Scene, employer: Employer, vendor: str, bundle: Path) -> Employer:
    """The employer with the key that the new vendor was given; the one of before is dead."""
    home = ["--home", str(scene.stack.home.root), "--reason", "contract 12", "--out", str(bundle)]
    command = ["tenants", "move", employer.id, "--to", vendor, *home]
    moved: Result = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert moved.exit_code == 0, moved.output
    return Employer(employer.id, moved.stdout.splitlines()[0])


async def slot(scene: Scene, outreach: str) -> datetime:
    """Until when the gateway has it wait, as its topic has it."""
    decided = await scene.until_first(outreach)
    assert decided.outcome == "delayed" and decided.until is not None
    return decided.until


async def test_a_message_that_waits_when_the_seat_moves_is_sent_once_in_its_slot_under_the_same_windows(
    scene: Scene, tmp_path: Path
) -> None:
    person = await scene.join()
    _, first = await scene.write_to(person)
    await scene.until_state(first, "delivered")
    employer, held = await scene.write_to(person)
    before = await slot(scene, held)

    shown = await scene.receipt(held, employer.key)
    moved = await move(scene, employer, scene.dev.vendors[2].id, tmp_path / "seat.zip")
    assert await scene.receipt(held, moved.key) == shown, "the new vendor reads it as the one before did"
    _, later = await scene.write_to(person)
    assert await slot(scene, later) > before, "its slot is still taken"
    assert scene.topics.decided[held] == await scene.until_first(held), "the move decided nothing anew"
    assert await scene.mails_with(held, person) == []

    scene.move_clock(before + _A_MOMENT)
    await scene.until_state(held, "delivered")
    assert await scene.state(later) == "delayed", "a slot holds one"
    scene.move_clock(await slot(scene, later) + _A_MOMENT)
    await scene.until_state(later, "delivered")
    assert len(await scene.mails_with(held, person)) == 1
