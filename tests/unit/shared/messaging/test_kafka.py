"""What the client libraries are told of a way into Kafka."""

import ssl
from pathlib import Path

import pytest
from faststream.kafka.security import parse_security

from shared.messaging.kafka import Kafka, Login, Mechanism
from tests.certificates import Authority

PASSWORD = "hunter2hunter2"
MECHANISMS: tuple[Mechanism, ...] = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def test_in_plain_text_there_are_addresses_and_nothing_else() -> None:
    assert Kafka.plain("one:9092, two:9093").for_connection() == {
        "bootstrap_servers": ["one:9092", "two:9093"],
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }


def test_every_client_looks_for_topics_that_were_made_anew_each_minute() -> None:
    kafka = Kafka.plain("one:9092")
    assert kafka.for_aiokafka() == {**kafka.for_connection(), "metadata_max_age_ms": 60_000}


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(("tls", "protocol"), [(True, "SASL_SSL"), (False, "SASL_PLAINTEXT")])
def test_a_login_goes_with_and_without_tls(mechanism: Mechanism, tls: bool, protocol: str) -> None:
    made = Kafka(("one:9092",), tls=tls, login=Login(mechanism, "fairpool", PASSWORD)).for_connection()
    context = made.pop("ssl_context")
    assert (context is not None) is tls
    assert made == {
        "bootstrap_servers": ["one:9092"],
        "security_protocol": protocol,
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "fairpool",
        "sasl_plain_password": PASSWORD,
    }


@pytest.mark.parametrize(
    "kafka",
    [
        Kafka.plain("one:9092"),
        Kafka(("one:9092",), tls=True),
        *(
            Kafka(("one:9092",), tls=tls, login=Login(how, "u", PASSWORD))
            for how in MECHANISMS
            for tls in (True, False)
        ),
    ],
    ids=str,
)
def test_faststream_makes_the_same_of_it(kafka: Kafka) -> None:
    made, expected = parse_security(kafka.for_faststream()), kafka.for_connection()
    assert (made.pop("ssl_context") is None) is (expected.pop("ssl_context") is None)
    assert made == {name: value for name, value in expected.items() if name != "bootstrap_servers"}


def test_tls_checks_certificate_and_host_name_with_the_given_authority_alone(tmp_path: Path) -> None:
    context = Kafka(("one:9092",), tls=True, ca=Authority.at(tmp_path / "ca.pem").file).ssl_context()
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) == 1


def test_the_repr_shows_no_password() -> None:
    assert PASSWORD not in repr(Kafka(("one:9092",), login=Login("PLAIN", "fairpool", PASSWORD)))
