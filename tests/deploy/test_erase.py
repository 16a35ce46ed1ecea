"""`fairpool erase` asks before it acts; `fairpool certificate` believes nothing that was not signed."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.commands.erase import CERTIFICATE
from deploy.commands.operator import Operator
from services.signup.decisions.certificates import KIND
from shared.contracts.topics import SIGNERS
from shared.security import encoding
from shared.security.documents import DocumentSigner

run = CliRunner()
SIGNER = DocumentSigner(b"s" * 32)
KEY = encoding.encode(SIGNER.public)
SAID = {
    "id": "x",
    "erased_at": "2026-11-24T12:00:00Z",
    "complete_at": "2026-11-24T12:00:02Z",
    "stores": [{"service": "consent", "store": "consents", "ends": "emptied", "what": "w", "swept_at": "t"}],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the services are asked; they answer that it was done."""
    found: list[tuple[str, Any]] = []

    def ask(_: Operator, method: str, url: str, *, json: object = None, params: object = None) -> Any:
        found.append((f"{method} {url}", json))
        return {"erased_at": "2026-11-24T12:00:00Z", "certificate": "https://signup.example/erased/abc"}

    monkeypatch.setattr(Operator, "ask", ask)
    monkeypatch.setenv("FAIRPOOL_OPERATOR_KEY", "fp_operator_key")
    monkeypatch.setenv("FAIRPOOL_SIGNUP_URL", "https://signup.example")
    return found


def test_nobody_is_erased_unless_somebody_is_sure(asked: list[tuple[str, Any]]) -> None:
    done = run.invoke(app, ["erase", "--email", "a@example.org", "--reason", "case 7"])
    assert (done.exit_code, asked) == (1, [])
    assert "--yes" in done.stderr
    done = run.invoke(app, ["erase", "--email", "a@example.org", "--reason", "case 7", "--yes"])
    assert done.exit_code == 0
    assert "https://signup.example/erased/abc" in done.stdout and "a@example.org" not in done.stdout
    body = {"email": "a@example.org", "reason": "case 7"}
    assert asked == [("POST https://signup.example/v1/people/erase", body)]


def test_a_certificate_holds_if_the_network_signed_it_and_nobody_changed_it(tmp_path: Path) -> None:
    saved = tmp_path / "certificate.json"
    signed = SIGNER.sign(KIND, SAID)
    saved.write_text(json.dumps({**SAID, "signed": signed, "key": KEY}))
    assert CERTIFICATE == KIND
    done = run.invoke(app, ["certificate", str(saved), "--key", KEY])
    assert (done.exit_code, "complete at 2026-11-24T12:00:02Z" in done.stdout) == (0, True)
    assert KEY in done.stdout and "given with --key" in done.stdout
    other = encoding.encode(DocumentSigner(b"o" * 32).public)
    assert run.invoke(app, ["certificate", str(saved), "--key", other]).exit_code == 1
    assert run.invoke(app, ["certificate", str(saved), "--key", other, "--key", KEY]).exit_code == 0
    saved.write_text(json.dumps({"signed": SIGNER.sign("another-kind", SAID)}))
    assert run.invoke(app, ["certificate", str(saved), "--key", KEY]).exit_code == 1


def test_what_can_be_read_in_a_certificate_is_what_was_signed(tmp_path: Path) -> None:
    saved = tmp_path / "certificate.json"
    signed = SIGNER.sign(KIND, SAID)
    changes: list[dict[str, Any]] = [{"erased_at": "2025-01-01T00:00:00Z"}, {"stores": []}, {"stays": []}]
    for changed in changes:
        saved.write_text(json.dumps({**SAID, **changed, "signed": signed, "key": KEY}))
        done = run.invoke(app, ["certificate", str(saved), "--key", KEY])
        assert (done.exit_code, next(iter(changed)) in done.stderr) == (1, True), done.output
    saved.write_text(signed)
    assert run.invoke(app, ["certificate", str(saved), "--key", KEY]).exit_code == 0, "the signed part alone"


def test_a_certificate_is_checked_by_public_keys_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = tmp_path / "certificate.json"
    saved.write_text(SIGNER.sign(KIND, SAID))
    monkeypatch.delenv("FAIRPOOL_OPERATOR_SIGNING_KEY", raising=False)
    monkeypatch.delenv("FAIRPOOL_VERIFY_KEYS", raising=False)
    done = run.invoke(app, ["certificate", str(saved), "--home", str(tmp_path / "nowhere")])
    assert (done.exit_code, "--key" in done.stderr, "SIGNING" in done.stderr) == (1, True, False)
    monkeypatch.setenv("FAIRPOOL_VERIFY_KEYS", ",".join(f"{name}={KEY}" for name in SIGNERS))
    done = run.invoke(app, ["certificate", str(saved)])
    assert (done.exit_code, "of FAIRPOOL_VERIFY_KEYS" in done.stdout) == (0, True)
    other = encoding.encode(DocumentSigner(b"o" * 32).public)
    exchanged = ",".join([*(f"{name}={other}" for name in SIGNERS), f"statements={KEY}"])
    monkeypatch.setenv("FAIRPOOL_VERIFY_KEYS", exchanged)
    assert run.invoke(app, ["certificate", str(saved)]).exit_code == 0, "an old key that did not leak"
    monkeypatch.setenv("FAIRPOOL_VERIFY_KEYS", exchanged.rpartition(",")[0])
    done = run.invoke(app, ["certificate", str(saved)])
    assert (done.exit_code, "/erased/keys" in " ".join(done.stderr.split())) == (1, True)
    monkeypatch.setenv("FAIRPOOL_VERIFY_KEYS", "nonsense")
    assert run.invoke(app, ["certificate", str(saved)]).exit_code == 1


@pytest.mark.parametrize("text", ["", "{}", '{"signed": null}', "[]", "not.a.jws", "\x00"])
def test_what_is_no_certificate_ends_in_a_sentence(tmp_path: Path, text: str) -> None:
    saved = tmp_path / "certificate.json"
    saved.write_text(text)
    for file, key in ((str(saved), KEY), (str(tmp_path / "none"), KEY), (str(saved), "short")):
        done = run.invoke(app, ["certificate", file, "--key", key])
        assert (done.exit_code, done.stderr[:16]) == (1, "error: expected "), done.output
