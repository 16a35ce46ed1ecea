"""`fairpool seed` on a running stack."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

from deploy.demo.joining import is_invitation
from deploy.demo.seeding import FEWEST, invent
from tests.e2e.scene import Scene

_SEED = 4711
"""Not the usual one: the README's walk is on the same stack."""


@pytest.mark.slow
async def test_the_same_seed_adds_its_people_once_and_asks_nobody_twice(scene: Scene) -> None:
    async def sown() -> dict[str, Any]:
        command = [sys.executable, "-m", "deploy", "seed", "--seed", str(_SEED), "--people", str(FEWEST), "--json"]
        process = await asyncio.create_subprocess_exec(
            *command, "--home", str(scene.stack.home.root), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        printed, said = await process.communicate()
        assert process.returncode == 0, said.decode()
        found: dict[str, Any] = json.loads(printed)
        return found

    assert (await sown())["added"] == FEWEST
    assert (await sown())["added"] == 0
    for one in invent(FEWEST, seed=_SEED):
        await scene.mails.look()
        assert [mail for mail in scene.mails.to(one.mail) if is_invitation(mail.subject)][1:] == []
