"""`fairpool tenants move` and `bundle` where something is away: what is done, what is said, and what is left over."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from deploy.commands import seats
from deploy.local.errors import StackError
from services.signup.decisions.tenants import Refused
from services.signup.ports.tenants import DecideTenant
from shared.contracts.operator import TenantChangedV1
from shared.security import encoding
from shared.security.documents import DocumentReader, DocumentSigner
from shared.security.tenant_keys import hash_key
from tests.taking_over import open_bundle
from tests.unit.signup.test_moving import THERE

Said = dict[str, TenantChangedV1]
SIGNER = DocumentSigner(b"o" * 32)
CLIENT = httpx.AsyncClient
PUBLIC = encoding.encode(SIGNER.public)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Said:
    """Everybody, as the topic has them."""
    there = dict(THERE)

    def act(_: object, decide: DecideTenant) -> TenantChangedV1:
        outcome = decide(there)
        if isinstance(outcome, Refused):
            raise StackError(str(outcome.errors))
        there[outcome.tenant] = outcome
        return outcome

    monkeypatch.setattr(seats, "act", act)
    monkeypatch.setattr(seats, "_HEARD_WITHIN", timedelta(milliseconds=50))
    monkeypatch.setattr("deploy.signing.documents_of_commands", lambda _: (SIGNER, DocumentReader([SIGNER.public])))
    for name in ("SIGNUP", "POOL_MATCHING", "OUTREACH_GATEWAY"):
        monkeypatch.setenv(f"FAIRPOOL_{name}_URL", f"http://{name.lower()}.test/")
    monkeypatch.chdir(tmp_path)
    return there


def answered(monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response]) -> None:
    """Every service answers so."""

    def made(**given: object) -> httpx.AsyncClient:
        return CLIENT(transport=httpx.MockTransport(answer))

    monkeypatch.setattr("deploy.commands.seats.httpx.AsyncClient", made)


def well(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/v1/tenants":
        return httpx.Response(403)
    place = {"updates": "u", "outreach": "o", "policy": "2026-12"}
    return httpx.Response(200, json=place if request.url.path == "/v1/seat" else {"items": [], "next": None})


def away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("away")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tenants", *arguments])


def move(*more: str) -> Result:
    return run("move", "emp_denver", "--to", "bright-crm", "--reason", "contract 12", *more)


def test_a_move_prints_the_key_that_works_and_writes_the_bundle(
    said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answered(monkeypatch, well)
    done = move()
    assert done.exit_code == 0, done.output
    assert said["emp_denver"].key_hashes == (hash_key(done.stdout.splitlines()[0]),)
    manifest = open_bundle(tmp_path / "emp_denver.seat.zip", PUBLIC)
    assert (manifest["vendor"], manifest["positions"]) == ("bright-crm", {"updates": "u", "outreach": "o"})
    assert PUBLIC in done.stderr


def test_a_stale_ticket_moves_nothing_and_says_where_the_seat_is(said: Said, tmp_path: Path) -> None:
    before = said["emp_denver"]
    done = move("--from", "bright-crm")
    told = " ".join(done.stderr.split())
    assert (done.exit_code, "emp_denver is with acme-ats, not with bright-crm" in told) == (1, True)
    assert (said["emp_denver"], list(tmp_path.iterdir()), done.stdout) == (before, [], "")


def test_a_move_from_where_the_seat_is_is_done(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, well)
    done = move("--from", "acme-ats")
    assert (done.exit_code, said["emp_denver"].vendor) == (0, "bright-crm")


def test_where_a_service_is_away_the_seat_is_moved_and_the_bundle_comes_later(
    said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answered(monkeypatch, away)
    done = move()
    said_so = " ".join(done.stderr.split())
    assert (done.exit_code, "The seat is moved." in said_so) == (1, True)
    assert "fairpool tenants bundle emp_denver" in said_so
    assert said["emp_denver"].key_hashes == (hash_key(done.stdout.splitlines()[0]),), "its key was shown before"
    assert list(tmp_path.iterdir()) == []
    answered(monkeypatch, well)  # an hour later
    assert run("bundle", "emp_denver").exit_code == 0
    assert open_bundle(tmp_path / "emp_denver.seat.zip", PUBLIC)["vendor"] == "bright-crm"


def test_the_key_by_which_a_bundle_is_read_ends_whatever_happens(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    before = said["emp_denver"].key_hashes
    for answer, code in ((away, 1), (well, 0)):
        answered(monkeypatch, answer)
        assert run("bundle", "emp_denver").exit_code == code
        assert said["emp_denver"].key_hashes == before


def test_a_suspended_employer_is_moved_and_nobody_reads_its_pools(
    said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answered(monkeypatch, away)
    said["emp_denver"] = said["emp_denver"].model_copy(update={"standing": "suspended"})
    done = move()
    assert (done.exit_code, said["emp_denver"].vendor, said["emp_denver"].standing) == (0, "bright-crm", "suspended")
    assert "reinstated" in done.stderr
    assert run("bundle", "emp_denver").exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_room_for_the_bundle_that_is_said_and_nothing_of_it_is_left(
    said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    answered(monkeypatch, well)
    monkeypatch.setattr("deploy.seats.bundle.zipfile.ZipFile.write", full)
    done = move()
    assert (done.exit_code, "No space left" in " ".join(done.stderr.split())) == (1, True)
    assert said["emp_denver"].vendor == "bright-crm"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [("--out", "there.zip"), ("--out", "no/such/folder.zip")])
def test_nothing_is_moved_where_the_bundle_has_no_place(said: Said, tmp_path: Path, more: tuple[str, str]) -> None:
    (tmp_path / "there.zip").touch()
    before = said["emp_denver"]
    assert move(*more).exit_code == 1
    assert said["emp_denver"] == before


def test_a_bundle_is_verified_with_a_key_alone(said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answered(monkeypatch, well)
    written = run("bundle", "emp_denver", "--out", "a.zip")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    for name in ("FAIRPOOL_OPERATOR_SIGNING_KEY", "FAIRPOOL_VERIFY_KEYS"):
        monkeypatch.delenv(name, raising=False)
    checked = run("bundle", "--verify", "a.zip", "--key", PUBLIC)
    assert (checked.exit_code, checked.stdout) == (0, written.stdout)
    for wrong in ("x", encoding.encode(DocumentSigner(b"p" * 32).public)):
        assert run("bundle", "--verify", "a.zip", "--key", wrong).exit_code == 1
    assert run("bundle").exit_code == 1
