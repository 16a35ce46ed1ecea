"""`fairpool status`: what it says of parts that are well, and of those that are not."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from deploy.local import holds, state
from deploy.local.home import Home
from deploy.local.last_words import last_failure
from deploy.local.processes import Identity
from deploy.local.state import Ended, PartPhase, PartState, Phase, StackState

NOT_READY = {"type": "about:blank", "status": 503, "detail": "These checks fail: postgres (OSError)."}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.make()
    return made


@contextmanager
def _process(status: int, body: object = None, *, is_silent: bool = False) -> Iterator[int]:
    """The port of something that answers like this to everything, or not before the end."""
    answers = threading.Event()
    if not is_silent:
        answers.set()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.wait()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_port
    answers.set()
    server.shutdown()
    server.server_close()


def _part(name: str, port: int, phase: PartPhase = PartPhase.READY, pid: int = 0, restarts: int = 0) -> PartState:
    process = Identity.of(pid or os.getpid())
    return PartState(name=name, phase=phase, process=process, port=port, restarts=restarts, since=datetime.now(UTC))


def _status(home: Home, *parts: PartState) -> Result:
    state.write(home, StackState(supervisor=Identity.of(os.getpid()), phase=Phase.READY, parts=parts))
    return CliRunner().invoke(app, ["status", "--home", str(home.root)])


def _status_json(home: Home, *parts: PartState) -> tuple[int, dict[str, Any]]:
    state.write(home, StackState(supervisor=Identity.of(os.getpid()), phase=Phase.READY, parts=parts))
    done = CliRunner().invoke(app, ["status", "--json", "--home", str(home.root)])
    return done.exit_code, {part["name"]: part for part in json.loads(done.stdout)["parts"]}


def _failed(error: str, at: datetime) -> str:
    return json.dumps({"service": "x", "event": "failed", "error": error, "timestamp": at.isoformat()}) + "\n"


def test_a_process_is_what_it_says_itself_and_the_exit_code_follows(home: Home) -> None:
    with _process(200) as ready, _process(503, NOT_READY) as unready, _process(200, is_silent=True) as silent:
        code, parts = _status_json(home, _part("signup", ready))
        assert (code, parts["signup"]["state"], parts["signup"]["why"]) == (0, "ready", None)
        code, parts = _status_json(
            home, _part("signup", ready), _part("consent", unready), _part("courier-2", silent), _part("kafka", 0)
        )
    assert code == 1
    assert {name: part["state"] for name, part in parts.items()} == {
        "signup": "ready",
        "consent": "unready",
        "courier-2": "silent",
        "kafka": "ready",
    }
    assert parts["consent"]["why"] == NOT_READY["detail"]


def test_people_read_the_reason_below_the_table(home: Home) -> None:
    with _process(503, NOT_READY) as unready:
        done = _status(home, _part("consent", unready))
    assert done.exit_code == 1
    assert done.stdout.endswith("\n\nconsent is unready: These checks fail: postgres (OSError).\n")


def test_a_part_whose_database_was_restored_is_closed_and_says_what_it_waits_for(home: Home) -> None:
    why = "The database was restored from a dump of 2026-11-28T10:00:00Z; signup must first replay who was erased since. It opens by itself."
    home.log_of("signup").write_text(_failed("an earlier failure", datetime.now(UTC)))
    said = {"type": "urn:fairpool:problem:restoring", "title": "Closed", "status": 503, "detail": why}
    with _process(503, said) as closed:
        code, parts = _status_json(home, _part("signup", closed, PartPhase.STARTING, restarts=1))
        asked = CliRunner().invoke(app, ["status", "--at", f"http://127.0.0.1:{closed}"])
    assert (code, parts["signup"]["state"], parts["signup"]["why"]) == (1, "closed", why)
    assert (asked.exit_code, "is closed: The database was restored" in " ".join(asked.stdout.split())) == (1, True)


def test_a_server_that_was_stopped_by_a_signal_is_silent(home: Home) -> None:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as server:
        server.send_signal(signal.SIGSTOP)
        os.waitpid(server.pid, os.WUNTRACED)  # until it stands still
        code, parts = _status_json(home, _part("redis", 0, pid=server.pid))
        server.kill()
    assert (code, parts["redis"]["state"]) == (1, "silent")
    assert "SIGCONT" in parts["redis"]["why"]


def test_a_crashed_part_says_why_in_the_words_of_its_log(home: Home) -> None:
    home.log_of("consent").write_text('{"event": "started"}\nnot json\n' + _failed("Kafka is away", datetime.now(UTC)))
    code, parts = _status_json(home, _part("consent", 0, PartPhase.CRASHED, restarts=2))
    assert (code, parts["consent"]["state"]) == (1, "crashed")
    assert re.fullmatch(r"\d+ s ago it failed: Kafka is away", parts["consent"]["why"])


def test_a_crash_without_words_is_not_explained_by_an_earlier_one(home: Home) -> None:
    home.log_of("consent").write_text(_failed("long ago", datetime.now(UTC) - timedelta(days=1)))
    _, parts = _status_json(home, _part("consent", 0, PartPhase.CRASHED))
    assert parts["consent"]["why"] == f"it did not say why it ended; see {home.log_of('consent')}"
    _, parts = _status_json(home, _part("consent", 0, PartPhase.STARTING, restarts=1))
    assert parts["consent"]["why"] == "1 d ago it failed: long ago"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (-9, "it was killed by signal 9 (SIGKILL)"), (-11, "it was killed by signal 11 (SIGSEGV)"),
        (0, "it ended with exit code 0, as it does when it is told to stop"), (-15, "it was told to stop (SIGTERM), and did"), (143, "it was told to stop (SIGTERM), and did"),
        (3, "it ended with exit code 3 and did not say why"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("phase", [PartPhase.CRASHED, PartPhase.STARTING])
def test_a_process_that_could_not_say_why_it_ended_is_told_by_how_it_ended(
    home: Home, phase: PartPhase, code: int, why: str
) -> None:
    now = datetime.now(UTC)
    home.log_of("consent").write_text(_failed("before it was started", now - timedelta(minutes=2)))
    part = _part("consent", 0, phase, restarts=1).model_copy(
        update={"ended": Ended(code=code, started=(now - timedelta(minutes=1)).timestamp())}
    )
    _, parts = _status_json(home, part)
    assert parts["consent"]["why"] == f"{why}; see {home.log_of('consent')}"
    with home.log_of("consent").open("a") as log:
        log.write(_failed("said at last", now))
    _, parts = _status_json(home, part)
    assert parts["consent"]["why"].endswith("it failed: said at last")


def test_a_part_that_a_restore_stopped_is_no_crash_and_says_so(home: Home) -> None:
    holds.take(home, "consent")
    part = _part("consent", 0, PartPhase.CRASHED).model_copy(update={"ended": Ended(code=0, started=0.0)})
    code, parts = _status_json(home, part)
    assert (code, parts["consent"]["state"]) == (1, "stopped")
    assert parts["consent"]["why"].startswith("`fairpool restore` stopped it")
    holds.release(home, "consent")
    _, parts = _status_json(home, part)
    assert parts["consent"]["state"] == "crashed"


def test_the_last_failure_of_a_log_is_found_and_no_log_has_none(home: Home) -> None:
    log = home.log_of("consent")
    assert last_failure(log) is None
    log.write_text(_failed("first", datetime.now(UTC)) + _failed("second", datetime.now(UTC)) + "[]\n{}\n" * 9)
    found = last_failure(log)
    assert found is not None and found[0] == "second"


def test_a_url_at_which_nobody_answers_is_silent_and_the_exit_code_says_so() -> None:
    done = CliRunner().invoke(app, ["status", "--json", "--at", "http://127.0.0.1:9"])
    [told] = json.loads(done.stdout)["parts"]
    assert (done.exit_code, told["name"], told["state"]) == (1, "http://127.0.0.1:9", "silent")


def test_a_url_of_a_process_that_is_not_ready_is_not_ready() -> None:
    with _process(503, NOT_READY) as unready:
        done = CliRunner().invoke(app, ["status", "--at", f"http://127.0.0.1:{unready}"])
    assert done.exit_code == 1
    assert "is unready: These checks fail: postgres" in done.stdout
