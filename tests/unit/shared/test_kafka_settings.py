"""The way into Kafka, as the environment says it."""

from pathlib import Path

import pytest

from shared.messaging.kafka import Kafka, Login
from shared.settings import KafkaSettings, load
from tests.certificates import Authority

PASSWORD = "hunter2hunter2"
LOGIN = {"MECHANISM": "SCRAM-SHA-512", "USER": "fairpool", "PASSWORD": PASSWORD}


def _set(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    monkeypatch.setenv("FAIRPOOL_KAFKA", "one:9092")
    for name, value in values.items():
        monkeypatch.setenv(f"FAIRPOOL_KAFKA_{name}", value)


def test_without_a_word_about_it_kafka_is_spoken_to_in_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch)
    assert load(KafkaSettings).cluster == Kafka.plain("one:9092")


def test_empty_variables_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, SECURITY="", MECHANISM="", USER="", PASSWORD="", CA="")
    assert load(KafkaSettings).cluster == Kafka.plain("one:9092")


def test_tls_login_and_authority_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ca = Authority.at(tmp_path / "ca.pem").file
    _set(monkeypatch, SECURITY="SASL_SSL", CA=str(ca), **LOGIN)
    settings = load(KafkaSettings)
    assert settings.cluster == Kafka(("one:9092",), tls=True, ca=ca, login=Login("SCRAM-SHA-512", "fairpool", PASSWORD))
    assert PASSWORD not in repr(settings)


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ({"SECURITY": "TLS"}, ["SECURITY: Input should be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'"]),
        (
            {"SECURITY": "SASL_SSL"},
            [
                "MECHANISM: expected PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, because FAIRPOOL_KAFKA_SECURITY is SASL_SSL",
                "USER: expected a user name, because FAIRPOOL_KAFKA_SECURITY is SASL_SSL",
                "PASSWORD: expected a password, because FAIRPOOL_KAFKA_SECURITY is SASL_SSL",
            ],
        ),
        (
            {"SECURITY": "SASL_PLAINTEXT", **LOGIN, "MECHANISM": "GSSAPI"},
            ["MECHANISM: Input should be 'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512'"],
        ),
        (
            LOGIN,
            [
                "MECHANISM: expected nothing, because FAIRPOOL_KAFKA_SECURITY is PLAINTEXT",
                "USER: expected nothing, because FAIRPOOL_KAFKA_SECURITY is PLAINTEXT",
                "PASSWORD: expected nothing, because FAIRPOOL_KAFKA_SECURITY is PLAINTEXT",
            ],
        ),
        ({"CA": "/ca.pem"}, ["CA: expected nothing, because FAIRPOOL_KAFKA_SECURITY is PLAINTEXT"]),
        (
            {"SECURITY": "SSL", "CA": "/nowhere/ca.pem"},
            ["CA: expected a file with certificates (PEM) that this process may read"],
        ),
        (
            {"SECURITY": "SSL", "CA": __file__},
            ["CA: expected a file with certificates (PEM) that this process may read"],
        ),
    ],
    ids=["protocol", "no login", "mechanism", "a login without SASL", "a CA without TLS", "no CA file", "no CA"],
)
def test_what_does_not_fit_together_is_one_line_each_without_the_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], values: dict[str, str], lines: list[str]
) -> None:
    _set(monkeypatch, **values)
    with pytest.raises(SystemExit) as caught:
        load(KafkaSettings)
    assert caught.value.code == 78
    said = capsys.readouterr().err
    assert said.splitlines()[1:-1] == [f"  FAIRPOOL_KAFKA_{line}" for line in lines]
    assert PASSWORD not in said
