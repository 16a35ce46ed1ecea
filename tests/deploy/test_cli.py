"""What the commands say and the exit codes that scripts may rely on."""

import json
import os
import re
import socket
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from deploy import dead_letters
from deploy import tenants as published
from deploy.cli import app
from deploy.commands import backup, dev, tenants, terminal
from deploy.commands.dlq_choice import Wish, choose
from deploy.commands.operator import Operator
from deploy.local import clockfile, state
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.processes import Identity
from deploy.local.state import Phase, StackState
from shared.contracts.operator import TenantChangedV1
from shared.messaging.envelope import Outgoing
from shared.messaging.signatures import Refused, Verifier

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


def _letter(offset: int, reason: str) -> dead_letters.DeadLetter:
    return dead_letters.DeadLetter(
        "consent-state", offset, f"consent-state-dlq/0/{offset}", True, "", reason, "", "", 1
    )


def test_what_nobody_signed_is_not_sent_back_to_be_refused_again_unless_it_is_asked_for() -> None:
    refused = Verifier({}).signer_of(Outgoing("consent-state", b"k", b"{}", ()), {})
    assert isinstance(refused, Refused)
    letters = [
        _letter(0, refused.reason),
        _letter(1, "bad_signature"),
        _letter(2, "failed: x"),
        _letter(3, "unsigned_too"),
    ]
    choice = choose(letters, Wish())
    assert ([one.offset for one in choice.chosen], choice.left_out["unsigned"]) == ([1, 2, 3], 1)
    assert [one.offset for one in choose(letters, Wish(unsigned=True)).chosen] == [0, 1, 2, 3]
    assert len(choose(letters, Wish(), foreign=True).chosen) == 4, "all may be marked done"
    by_offset = Wish("consent-state", offsets=(0,))
    with pytest.raises(StackError, match=r"it would be refused again.*FAIRPOOL_SIGNATURES=take"):
        choose(letters, by_offset)
    assert choose(letters, by_offset, foreign=True).chosen
    assert choose(letters, Wish("consent-state", offsets=(0,), unsigned=True)).chosen


@pytest.mark.parametrize(
    ("hours", "said"), [("24", "signs until 2026-11-30T12:00:00Z"), ("0", "signs for a minute more at most")]
)
def test_a_new_secret_is_shown_once_and_until_when_the_old_one_signs_is_said(
    home: Home, monkeypatch: pytest.MonkeyPatch, hours: str, said: str
) -> None:
    item = {"format": "greenhouse", "source": "one", "previous_until": "2026-11-30T12:00:00Z"}
    monkeypatch.setattr(Operator, "ask", lambda _, method, *__, **___: {"items": [item]} if method == "GET" else None)
    for name, value in (("KEY", "k"), ("URL", "http://signup")):
        monkeypatch.setenv({"KEY": "FAIRPOOL_OPERATOR_KEY", "URL": "FAIRPOOL_SIGNUP_URL"}[name], value)
    done = run.invoke(
        app, ["sources", "rotate", "greenhouse", "one", "--overlap-hours", hours, "--home", str(home.root)]
    )
    assert done.exit_code == 0
    assert "shown this once:" in done.stderr and said in done.stderr
    assert len(done.stdout.split()) == 1, "the secret alone, for scripts"


@pytest.mark.parametrize(
    ("hashes", "rows"),
    [
        (("a", "b", "c"), [["FINGERPRINT", "AGE"], ["a" * 12, "oldest"], ["b" * 12], ["c" * 12, "newest"]]),
        (("a",), [["FINGERPRINT", "AGE"], ["a" * 12, "the", "only", "one"]]),
        ((), [["no", "key", "works"]]),
    ],
)
def test_a_list_of_keys_says_which_is_the_newest(
    home: Home, monkeypatch: pytest.MonkeyPatch, hashes: tuple[str, ...], rows: list[list[str]]
) -> None:
    known = TenantChangedV1(
        tenant="emp_a", version=1, kind="employer", name="A", key_hashes=tuple(one * 64 for one in hashes)
    )

    async def read(_: object) -> list[TenantChangedV1]:
        return [known]

    monkeypatch.setattr(published, "read", read)
    monkeypatch.setattr(tenants, "trusted", lambda _: (None, None))
    done = run.invoke(app, ["tenants", "keys", "list", "emp_a", "--home", str(home.root)])
    assert [line.split() for line in done.stdout.splitlines()] == rows


def test_going_back_with_the_clock_is_named_where_somebody_looks_for_it() -> None:
    for command in ((), ("advance",)):
        shown = " ".join(run.invoke(app, ["dev", "clock", *command, "--help"], env={"COLUMNS": "200"}).stdout.split())
        assert re.search(r"`?at`? alone moves it back|back, only `?at`? moves it", shown)


@pytest.mark.parametrize(("seeds", "words"), [(True, "join now (--seed)"), (False, "fairpool seed invents 60")])
def test_whoever_seeds_is_told_so_and_not_how_to(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seeds: bool, words: str
) -> None:
    there = SimpleNamespace(
        employers=[SimpleNamespace(key="k")],
        mail=None,
        services=SimpleNamespace(signup="s", pool_matching="p", model_dump=dict),
    )
    dev._welcome(home, cast("Any", there), 0.0, stop="Ctrl-C", seeds=seeds)
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        ("tenants", "remove", "emp_a", "--reason", "ticket 1"),
        ("feeds", "restart", "--at", "http://pools"),
        ("vault", "rotate", "--detach"),
        ("restore", "there"),
        ("tenants", "keys", "revoke", "emp_a", "0123456789abcdef", "--reason", "ticket 1"),
        ("sources", "delete", "greenhouse", "riverside"),
        ("work", "close", "consent", "blocks", "--all"),
    ],
)
def test_what_cannot_be_undone_is_asked_of_whoever_sits_there_and_a_no_does_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    did: list[str] = []

    def does(*_: object, **__: object) -> None:
        did.append("it")
        raise StackError("as far as this test goes")

    monkeypatch.setenv("FAIRPOOL_OPERATOR_KEY", "k")
    monkeypatch.setenv("FAIRPOOL_SIGNUP_URL", "http://signup")
    monkeypatch.setattr(Operator, "ask", does)
    monkeypatch.setattr(tenants, "act", does)
    monkeypatch.setattr(backup, "Restoring", does)
    monkeypatch.setattr("deploy.commands.work.databases.with_database", does)
    monkeypatch.setattr("deploy.commands.backup.manifest.read", lambda *_: SimpleNamespace(services={"consent": None}))
    monkeypatch.setattr("deploy.commands.backup.kafka.find", lambda _: None)
    monkeypatch.setattr(backup, "_reader", lambda *_: None)
    asked = [*command, "--home", str(home.root)]
    monkeypatch.setattr(terminal, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))
    done = run.invoke(app, asked, input="n\n")
    assert (done.exit_code, did) == (1, []) and "nothing was done" in done.stderr
    run.invoke(app, asked, input="y\n")
    assert did == ["it"]
    run.invoke(app, [*asked, "--yes"])
    assert did == ["it"] * 2
    monkeypatch.setattr(terminal, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: False)))
    run.invoke(app, asked)
    assert did == ["it"] * 3, "a script has decided already"
