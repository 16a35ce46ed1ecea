"""What the courier is told of its relay: no password, address or word leaves this machine without TLS by mistake."""

from pathlib import Path

import pytest

from services.signup.courier.settings import CourierSettings
from shared.security import encoding
from shared.settings import load
from tests.signing import environment_of

NEEDED = {
    "FAIRPOOL_KAFKA": "127.0.0.1:9092",
    "FAIRPOOL_HTTP_PORT": "8105",
    **environment_of("courier"),
    "FAIRPOOL_SIGNUP_DATABASE": "postgresql://signup@db/signup",
    "FAIRPOOL_VAULT_KEYS": "file:///keys",
    "FAIRPOOL_LINK_SIGNING_KEY": encoding.encode(bytes(32)),
    "FAIRPOOL_LINK_SUBJECT_KEY": encoding.encode(bytes(range(64))),
    "FAIRPOOL_CONSENT_URL": "https://consent.test",
    "FAIRPOOL_SIGNUP_URL": "https://signup.test",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize(
    "relay",
    [
        "smtp+starttls://user:word@relay.internal:587",
        "smtp+starttls://127.0.0.1:587",
        "smtps://relay.internal:465",
        "smtp://127.0.0.1:1025",
        "smtp://127.9.9.9:1025",
        "smtp://[::1]:1025",
        "smtp://localhost:1025",
        "smtp://mailpit:1025",
    ],
)
def test_tls_is_required_except_by_a_catcher_on_this_machine_or_one_that_is_named(
    environment: pytest.MonkeyPatch, relay: str
) -> None:
    environment.setenv("FAIRPOOL_SMTP", relay)
    environment.setenv("FAIRPOOL_SMTP_PLAIN_TO", "mailpit")
    assert load(CourierSettings).smtp == relay


@pytest.mark.parametrize(
    ("relay", "says"),
    [
        ("smtp://relay.internal:25", "the relay is not on this machine"),
        ("smtp://172.17.0.1:1025", "FAIRPOOL_SMTP_PLAIN_TO"),
        ("smtp://localhost.evil.example:25", "the relay is not on this machine"),
        ("smtp://user:word@relay.internal:587", "a password must not leave without TLS"),
        ("smtp://user:word@127.0.0.1:1025", "a password must not leave without TLS"),
        ("smtp://user:word@mailpit:1025", "a password must not leave without TLS"),
        ("smtp://:1025", "with a host"),
        ("smtp+starttls://relay:5870000", "a host and a port"),
        ("https://relay.internal", "smtp+starttls://"),
    ],
)
def test_anything_else_ends_the_start_in_words_that_show_no_password(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], relay: str, says: str
) -> None:
    environment.setenv("FAIRPOOL_SMTP", relay)
    environment.setenv("FAIRPOOL_SMTP_PLAIN_TO", "mailpit")
    with pytest.raises(SystemExit) as ended:
        load(CourierSettings)
    said = capsys.readouterr().err
    assert ended.value.code == 78
    assert "FAIRPOOL_SMTP: expected" in said
    assert says in said
    assert "word@" not in said


def test_the_authorities_file_must_hold_certificates(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    environment.setenv("FAIRPOOL_SMTP", "smtps://relay.internal:465")
    environment.setenv("FAIRPOOL_SMTP_CA", str(tmp_path / "none.pem"))
    with pytest.raises(SystemExit):
        load(CourierSettings)
    assert "FAIRPOOL_SMTP_CA: expected a file with certificates" in capsys.readouterr().err
    environment.setenv("FAIRPOOL_SMTP_CA", "")
    assert load(CourierSettings).smtp_ca is None
