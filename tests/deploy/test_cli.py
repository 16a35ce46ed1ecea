"""What the commands say and the exit codes that scripts may rely on."""

import json
import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.commands.operator import Operator
from deploy.local import clockfile, state
from deploy.local.home import Home
from deploy.local.processes import Identity
from deploy.local.state import Phase, StackState

run = CliRunner()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.make()
    return made


def test_down_is_harmless_when_nothing_runs(home: Home) -> None:
    done = run.invoke(app, ["down", "--home", str(home.root)])
    assert (done.exit_code, done.stdout) == (0, f"nothing was running in {home.root}\n")


def test_status_of_nothing_is_an_error_of_its_own(home: Home) -> None:
    done = run.invoke(app, ["status", "--json", "--home", str(home.root)])
    assert (done.exit_code, json.loads(done.stdout)["phase"]) == (8, "stopped")
    assert run.invoke(app, ["dev", "clock", "show", "--home", str(home.root)]).exit_code == 8
    assert run.invoke(app, ["topics", "list", "--home", str(home.root)]).exit_code == 8


def test_a_taken_port_ends_the_start_with_code_3(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        base = taken.getsockname()[1] - 1
        done = run.invoke(app, ["dev", "--detach", "--home", str(home.root), "--port-base", str(base)])
    assert done.exit_code == 3
    assert f"{base + 1}, for signup: used by" in done.stderr


def test_the_clock_of_a_running_stack_moves(home: Home) -> None:
    state.write(home, StackState(supervisor=Identity.of(os.getpid()), phase=Phase.READY, parts=()))
    done = run.invoke(app, ["dev", "clock", "at", "2031-01-02T03:04:00Z", "--home", str(home.root)])
    assert (done.exit_code, done.stdout[:17]) == (0, "2031-01-02T03:04:")
    done = run.invoke(app, ["dev", "clock", "advance", "26h", "--home", str(home.root)])
    assert done.stdout.startswith("2031-01-03T05:04:")


def test_beside_a_moved_clock_the_operators_log_says_which_times_are_real(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = {"at": "2026-11-22T10:00:00Z", "by": "ana", "act": "looked_up", "candidate": "c", "reason": "a complaint"}
    monkeypatch.setattr(Operator, "__init__", lambda self, _: setattr(self, "signup", "http://signup.example"))
    monkeypatch.setattr(Operator, "ask", lambda *_, **__: {"items": [act], "next": None})
    for name in ("FAIRPOOL_OPERATOR_KEY", "FAIRPOOL_SIGNUP_URL"):
        monkeypatch.delenv(name, raising=False)
    told = ("operator-log", "--home", str(home.root))
    clockfile.reset(home.clock_file)
    assert "real time" not in run.invoke(app, told).stdout
    clockfile.advance(home.clock_file, timedelta(hours=26))
    assert "in real time" in " ".join(run.invoke(app, told).stdout.split())
    assert "1 day, 2:00:00" in " ".join(run.invoke(app, told).stdout.split())
    assert json.loads(run.invoke(app, [*told, "--json"]).stdout) == [act]
