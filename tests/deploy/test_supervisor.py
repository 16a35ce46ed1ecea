"""The supervisor, with small programs in place of servers and services."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from deploy.local import holds, state
from deploy.local.errors import BrokerLostError, PartDidNotStartError, PartKeepsCrashingError
from deploy.local.home import Home
from deploy.local.liveness import Liveness
from deploy.local.parts import Part, Probe
from deploy.local.processes import Command
from deploy.local.state import PartPhase, Phase
from deploy.local.supervisor import BackOff, Supervisor
from tests.waiting import until

RUNS = "import signal; print('running', flush=True); signal.pause()"
DRAINS = """
import pathlib, signal, sys
def drain(*_):
    sys.exit(0)
signal.signal(signal.SIGTERM, drain)
pathlib.Path(sys.argv[1] + ".up").touch()
while True:
    signal.pause()
"""
DRAINS_WHEN_LET = """
import os, pathlib, signal, sys
home = pathlib.Path(sys.argv[1])
mine = home / sys.argv[2]
def drain(*_):
    mine.with_suffix(".told").touch()
    if sys.argv[2] == "service":
        os.read(os.open(home / "gate", os.O_RDONLY), 1)
    mine.with_suffix(".ended").write_text(str((home / "service.ended").exists()))
    sys.exit(0)
signal.signal(signal.SIGTERM, drain)
mine.with_suffix(".up").touch()
while True:
    signal.pause()
"""
IGNORES = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)\nwhile True: signal.pause()"
HOLDS = """
import pathlib, sys
from deploy.local import holds
from deploy.local.home import Home
home = Home(pathlib.Path(sys.argv[1]))
holds.take(home, "service")
print("held", flush=True)
sys.stdin.read()
holds.release(home, "service")
"""
ENDS = "import sys; print('the reason', flush=True); sys.exit(3)"

FAST = BackOff(first=timedelta(milliseconds=20), longest=timedelta(milliseconds=50), most_restarts=3)


WHEN_LET = "import os; os.read(os.open(sys.argv[1], os.O_RDONLY), 1)"
"""Waits for a byte at the gate."""


def _gate(home: Home) -> Callable[[], object]:
    """Programs that wait at it go on once this is called, and do not wait after it."""
    os.mkfifo(home.root / "gate")
    held = os.open(home.root / "gate", os.O_RDWR)  # as long as somebody has it open, whoever reads waits
    return partial(os.write, held, b"x" * 100)


async def _always() -> None:
    return None


async def _never() -> None:
    raise ConnectionError


def _exists(path: Path) -> Probe:
    async def probe() -> None:
        path.stat()  # noqa: ASYNC240 - one look at a local file

    return probe


def _part(
    home: Home,
    name: str,
    program: str,
    *arguments: str,
    probe: Probe = _always,
    lives: Probe | None = None,
    keeps_nothing: bool = False,
    stops_within: float = 5,
) -> Part:
    command = Command((sys.executable, "-c", program, *arguments), dict(os.environ), home.root)
    patience = timedelta(seconds=stops_within)
    return Part(name, command, 0, probe, stops_within=patience, lives=lives, keeps_nothing=keeps_nothing)


def _state_of(home: Home, name: str) -> state.PartState:
    found = state.read(home)
    assert found is not None
    return next(part for part in found.parts if part.name == name)


def _restarted(home: Home, times: int) -> bool:
    part = _state_of(home, "service")
    return part.restarts == times and part.phase is PartPhase.READY


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.make()
    return made


async def test_a_crashed_part_is_reported_with_its_last_lines_and_restarted(home: Home) -> None:
    said: list[str] = []
    supervisor = Supervisor(home, said.append, FAST)
    await supervisor.start([_part(home, "service", RUNS)])
    await until(lambda: "running" in home.log_of("service").read_text())
    first = _state_of(home, "service").process
    assert first
    first.send(signal.SIGKILL)
    await until(lambda: _restarted(home, 1))
    second = _state_of(home, "service").process
    assert second and second.alive() and second.pid != first.pid
    assert _state_of(home, "service").ended == state.Ended(code=-signal.SIGKILL, started=first.started)
    assert "SIGKILL" in said[0] and "| running" in said[0]
    await supervisor.stop()
    assert not second.alive()
    assert state.read(home) is None


async def test_a_part_that_keeps_crashing_stops_the_stack(home: Home) -> None:
    said: list[str] = []
    counter = home.root / "starts"
    dies = f"import pathlib, sys; pathlib.Path(sys.argv[2]).open('a').write('x'); {WHEN_LET}; sys.exit(9)"
    let_go = _gate(home)
    supervisor = Supervisor(home, said.append, FAST)
    await supervisor.start([_part(home, "service", dies, str(home.root / "gate"), str(counter))])
    let_go()
    with pytest.raises(PartKeepsCrashingError, match="exit code 9 after 3 restarts"):
        await asyncio.wait_for(supervisor.watch(), 60)
    await supervisor.stop()
    assert counter.read_text() == "xxxx"
    found = state.read(home)
    assert found and found.phase is Phase.FAILED and found.exit_code == PartKeepsCrashingError.exit_code


@pytest.mark.parametrize("program", [RUNS, DRAINS])
async def test_a_part_that_ends_because_it_was_told_to_is_restarted_however_often(home: Home, program: str) -> None:
    said: list[str] = []
    up = home.root / "part.up"
    probe = _exists(up) if program is DRAINS else _always
    supervisor = Supervisor(home, said.append, FAST)
    await supervisor.start([_part(home, "service", program, str(up.with_suffix("")), probe=probe)])
    for before in range(FAST.most_restarts + 2):
        up.unlink(missing_ok=True)
        process = _state_of(home, "service").process
        assert process
        process.send(signal.SIGTERM)
        await until(lambda: _restarted(home, before + 1))  # noqa: B023 - it is awaited in this very turn
    assert supervisor.state.error is None
    assert said[0] == "service was told to stop, and did; restart 1."
    await supervisor.stop()


async def test_a_held_part_stays_down_until_it_is_released_or_its_holder_is_killed(home: Home) -> None:
    said: list[str] = []
    supervisor = Supervisor(home, said.append, FAST)
    await supervisor.start([_part(home, "service", RUNS)])
    for before, holder in enumerate(("released", "killed")):
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDS, str(home.root), stdin=-1, stdout=-1)
        assert other.stdin and other.stdout
        assert await other.stdout.readline() == b"held\n"
        process = _state_of(home, "service").process
        assert process
        process.send(signal.SIGTERM)
        await until(lambda: len(said) == before + 1)  # noqa: B023 - it is awaited in this very turn
        assert holds.is_held(home, "service") and not _restarted(home, before + 1)
        if holder == "killed":
            other.kill()
        other.stdin.close()
        await other.wait()
        assert home.hold_of("service").exists() is (holder == "killed")
        await until(lambda: _restarted(home, before + 1))  # noqa: B023 - as above
    await supervisor.stop()


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}'])
def test_what_names_no_holder_holds_nothing(home: Home, text: str) -> None:
    home.hold_of("service").write_text(text)
    assert not holds.is_held(home, "service")


async def test_a_part_that_ends_with_0_before_it_is_ready_has_crashed(home: Home) -> None:
    up = home.root / "up"
    up.touch()
    ends_well = f"import pathlib, sys; {WHEN_LET}; pathlib.Path(sys.argv[2]).unlink(missing_ok=True)"
    let_go = _gate(home)
    supervisor = Supervisor(home, lambda _: None, FAST)
    await supervisor.start([_part(home, "service", ends_well, str(home.root / "gate"), str(up), probe=_exists(up))])
    let_go()
    with pytest.raises(PartKeepsCrashingError, match="exit code 0"):
        await asyncio.wait_for(supervisor.watch(), 60)
    await supervisor.stop()


async def test_a_part_that_falls_silent_is_ended_and_started_again(home: Home) -> None:
    said: list[str] = []
    frozen: set[int] = set()

    async def lives() -> None:
        process = _state_of(home, "service").process
        if process and process.pid in frozen:
            raise TimeoutError

    supervisor = Supervisor(home, said.append, FAST, Liveness(timedelta(milliseconds=20), misses=3))
    await supervisor.start([_part(home, "service", RUNS, lives=lives, stops_within=0.2)])
    first = _state_of(home, "service").process
    assert first and not first.frozen()
    first.send(signal.SIGSTOP)
    await until(first.frozen)
    frozen.add(first.pid)
    await until(lambda: _restarted(home, 1))
    assert said[0] == "service did not answer 3 times in a row, so the supervisor ends it."
    assert not first.alive()
    await supervisor.stop()


async def test_the_loss_of_a_part_that_keeps_nothing_stops_the_stack(home: Home) -> None:
    supervisor = Supervisor(home, lambda _: None, FAST)
    await supervisor.start([_part(home, "kafka", RUNS, keeps_nothing=True), _part(home, "other", RUNS)])
    lost = _state_of(home, "kafka").process
    assert lost
    lost.send(signal.SIGKILL)
    with pytest.raises(BrokerLostError, match="keeps nothing"):
        await asyncio.wait_for(supervisor.watch(), 60)
    await supervisor.stop()
    assert _state_of(home, "kafka").restarts == 0
    assert _state_of(home, "other").phase is PartPhase.STOPPED


async def test_a_part_that_ends_before_it_is_ready_fails_the_start_with_its_last_lines(home: Home) -> None:
    supervisor = Supervisor(home, lambda _: None, FAST)
    with pytest.raises(PartDidNotStartError, match=r"exit code 3[\s\S]*the reason"):
        await supervisor.start([_part(home, "service", ENDS, probe=_never), _part(home, "other", RUNS)])
    await supervisor.stop()


async def test_services_drain_before_servers_are_stopped(home: Home) -> None:
    let_go = _gate(home)
    supervisor = Supervisor(home, lambda _: None, FAST)
    for name in ("server", "service"):
        up = home.root / f"{name}.up"
        await supervisor.start([_part(home, name, DRAINS_WHEN_LET, str(home.root), name, probe=_exists(up))])
    stopping = asyncio.create_task(supervisor.stop())
    await until((home.root / "service.told").exists)
    assert not (home.root / "server.told").exists()
    let_go()
    await stopping
    assert (home.root / "server.ended").read_text() == "True", "what it serves had ended when it was told"


async def test_a_part_that_does_not_drain_in_time_is_killed(home: Home) -> None:
    said: list[str] = []
    supervisor = Supervisor(home, said.append, FAST)
    await supervisor.start([_part(home, "service", IGNORES, stops_within=0.3)])
    await until(lambda: "deaf" in home.log_of("service").read_text())
    process = _state_of(home, "service").process
    await supervisor.stop()
    assert process and not process.alive()
    assert "was killed" in said[0]


@pytest.mark.parametrize(("recent", "seconds"), [(0, 0.5), (1, 1.0), (3, 4.0), (5, 10.0), (7, 10.0)])
def test_the_back_off_doubles_up_to_ten_seconds(recent: int, seconds: float) -> None:
    assert BackOff().pause(recent) == timedelta(seconds=seconds)
