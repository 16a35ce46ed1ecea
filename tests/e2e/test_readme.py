"""The README's walk, as somebody would type it."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.scene import Scene

_README = Path(__file__).parents[2] / "README.md"
_SH = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_everything_that_the_readme_says_to_type_works_in_its_order(scene: Scene, tmp_path: Path) -> None:
    _, _, walk = _README.read_text().partition("## Start here")
    blocks = _SH.findall(walk.partition("## Where to read on")[0])
    assert len(blocks) >= 6
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "fairpool").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m deploy "$@"\n')
    (commands / "fairpool").chmod(0o755)
    script = "\n".join(["set -e", *blocks]).replace(
        'export PATH="$PWD/.venv/bin:$PATH"', f'export PATH="{commands}:$PATH"'
    )
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        script,
        cwd=_README.parent,
        env={**os.environ, "FAIRPOOL_HOME": str(scene.stack.home.root), "PYTHONPATH": str(_README.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said[-3000:]
    assert '"state":"sent"' in said
    assert '"state":"not_sent"' in said
