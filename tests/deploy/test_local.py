"""Ports, secrets, clock and caught mails of the local stack."""

import json
import smtplib
import socket
import stat
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from aiosmtpd.controller import Controller

from deploy.local import clockfile, demo_tenants, devfile, endpoints, ports, secrets, services
from deploy.local.broker import Broker
from deploy.local.errors import NotRunningError, PortTakenError, StackError
from deploy.local.home import Home
from deploy.local.mail import Catcher, create_app
from deploy.local.mailbox import Mailbox
from deploy.local.ports import Ports
from deploy.local.secrets import LocalSecrets
from shared.contracts.topics import SIGNERS
from shared.security import encoding


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.make()
    return made


def _secrets(home: Home) -> LocalSecrets:
    return secrets.load_or_create(
        home,
        roles=endpoints.ROLES,
        tenant_keys=demo_tenants.fresh_keys,
        sources=tuple(s.source for s in demo_tenants.SOURCES),
    )


def test_a_taken_port_is_named_with_its_part_its_user_and_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTakenError) as caught:
            ports.check([("signup", port)])
    assert f"{port}, for signup: used by" in str(caught.value)
    assert "--port-base" in str(caught.value)


def test_all_ports_move_with_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Ports.from_base(20_000).signup == 20_001
    assert len(set(Ports.from_base(20_000).named().values())) == len(Ports().named())
    monkeypatch.setenv(ports.BASE_ENVIRONMENT, "30000")
    assert Ports.chosen(base=None, free=False).consent == 30_002
    with pytest.raises(StackError, match="port base"):
        Ports.from_base(65_530)


def test_secrets_are_made_once_and_only_their_user_may_read_them(home: Home) -> None:
    made = _secrets(home)
    assert _secrets(home) == made
    assert stat.S_IMODE(home.secrets_file.stat().st_mode) == 0o600
    public = dict(part.split("=") for part in made.keys["FAIRPOOL_VERIFY_KEYS"].split(","))
    assert {name: len(encoding.decode(key)) for name, key in public.items()} == dict.fromkeys(SIGNERS, 32)
    secret = {name: key for name, key in made.keys.items() if name != "FAIRPOOL_VERIFY_KEYS"}
    sizes = {name: len(encoding.decode(key)) for name, key in secret.items()}
    assert sizes.pop("FAIRPOOL_MEMBER_REF_KEY") == 64
    assert sizes.pop("FAIRPOOL_LINK_SUBJECT_KEY") == 64
    assert set(sizes.values()) == {32}
    assert not any(key in repr(made) for key in made.keys.values())


def test_each_process_is_told_its_own_secrets_and_database_only(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRPOOL_BLIND_INDEX_KEY", "from outside")
    kept = _secrets(home)
    where = endpoints.resolve(Ports(), kept)
    made = {part.name: part for part in services.parts(home, Ports(), Broker.EMBEDDED, where, kept.keys)}
    gateway = made["outreach_gateway"].command.environment
    assert {name for name in gateway if name.startswith("FAIRPOOL_") and name.endswith(("_KEY", "_DATABASE"))} == {
        "FAIRPOOL_MEMBER_REF_KEY",
        "FAIRPOOL_OUTREACH_ID_KEY",
        "FAIRPOOL_TICK_KEY",
        "FAIRPOOL_SIGNING_KEY",
        "FAIRPOOL_OUTREACH_GATEWAY_DATABASE",
    }
    assert gateway["FAIRPOOL_KAFKA_IDEMPOTENCE"] == "false"


def test_replicas_differ_in_name_and_port_only(home: Home) -> None:
    kept = _secrets(home)
    where = endpoints.resolve(Ports(), kept)
    made = services.parts(home, Ports(), Broker.EMBEDDED, where, kept.keys, {"signup": 3, "courier": 2})
    assert [part.name for part in made if services.process_of(part.name) == "signup"] == [
        "signup",
        "signup-2",
        "signup-3",
    ]
    assert len(made) == 5 + 3
    assert len({part.port for part in made}) == len(made)
    first, second = (
        {**part.command.environment, "FAIRPOOL_HTTP_PORT": ""} for part in made if part.name in {"courier", "courier-2"}
    )
    assert first == second


def test_servers_that_the_environment_names_are_taken_instead(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRPOOL_REDIS", "redis://elsewhere:6379/0")
    monkeypatch.setenv("FAIRPOOL_CONSENT_DATABASE", "postgresql://elsewhere/consent")
    where = endpoints.resolve(Ports(), _secrets(home))
    assert where.redis == "redis://elsewhere:6379/0"
    assert where.databases["consent"] == "postgresql://elsewhere/consent"
    assert where.local == {"kafka", "postgres", "smtp", "mail"}
    assert "consent" not in where.local_databases


def test_the_way_into_kafka_is_passed_on_for_the_kafka_that_the_environment_names_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"SECURITY": "SASL_PLAINTEXT", "MECHANISM": "PLAIN", "USER": "fairpool", "PASSWORD": "hunter2hunter2"}
    for name, value in told.items():
        monkeypatch.setenv(f"FAIRPOOL_KAFKA_{name}", value)
    monkeypatch.delenv("FAIRPOOL_KAFKA", raising=False)
    ours = endpoints.resolve(Ports(), _secrets(home))
    assert ours.cluster.protocol == "PLAINTEXT"
    assert set(ours.security("consent").values()) == {""}
    monkeypatch.setenv("FAIRPOOL_KAFKA", "elsewhere:9092")
    theirs = endpoints.resolve(Ports(), _secrets(home))
    assert theirs.cluster.protocol == "SASL_PLAINTEXT"
    assert theirs.security("consent") == {
        f"FAIRPOOL_KAFKA_{name}": value for name, value in (told | {"CA": ""}).items()
    }
    assert "hunter2" not in repr(theirs)


def test_dev_json_comes_back_as_it_was_saved(home: Home) -> None:
    kept = _secrets(home)
    saved = demo_tenants.dev_file(Ports(), endpoints.resolve(Ports(), kept), kept)
    saved.save(home)
    assert devfile.load(home.dev_file) == saved
    assert (len(saved.vendors), len(saved.employers)) == (3, 8)
    assert all(employer.vendor in {vendor.id for vendor in saved.vendors} for employer in saved.employers)
    assert saved.sources[0].url == f"http://127.0.0.1:8101/v1/hooks/greenhouse/{saved.sources[0].source}"


def test_no_dev_json_means_that_nothing_runs(home: Home) -> None:
    with pytest.raises(NotRunningError, match="fairpool dev"):
        devfile.load(home.dev_file)


def test_the_clock_moves_by_whole_milliseconds(home: Home) -> None:
    clockfile.set_to(home.clock_file, datetime(2026, 11, 23, 15, tzinfo=UTC))
    clockfile.advance(home.clock_file, clockfile.parse_span("1d2h"))
    assert abs(clockfile.now(home.clock_file) - datetime(2026, 11, 24, 17, tzinfo=UTC)) < timedelta(seconds=5)
    int(home.clock_file.read_text())


@pytest.mark.parametrize("text", ["26", "h", "1h-", "26x", ""])
def test_a_span_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(StackError, match="26h"):
        clockfile.parse_span(text)


async def test_a_caught_mail_is_shown_in_mailpits_shape_and_survives_a_restart(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Fairpool <no-reply@fairpool.example>", "Zoë <zoe@example.org>", "Grüße"
    mail.set_content("Confirm: http://127.0.0.1:8102/confirm/abc.def.\n")
    mail.add_alternative('<a href="http://127.0.0.1:8102/u/x?a=1&amp;b=2">Stop</a>', subtype="html")
    controller = Controller(Catcher(Mailbox(tmp_path)), hostname="127.0.0.1", port=ports.Ports.free().smtp)
    controller.start()
    with smtplib.SMTP("127.0.0.1", controller.port) as client:
        client.send_message(mail)
    controller.stop()

    transport = httpx.ASGITransport(create_app(Mailbox(tmp_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://mail") as browser:
        listed = (await browser.get("/api/v1/messages")).json()
        assert listed["total"] == 1
        (summary,) = listed["messages"]
        assert (summary["Subject"], summary["To"][0]["Address"]) == ("Grüße", "zoe@example.org")
        whole = (await browser.get(f"/api/v1/message/{summary['ID']}")).json()
        assert "Confirm:" in whole["Text"] and "Stop" in whole["HTML"]
        assert b"Subject:" in (await browser.get(f"/api/v1/message/{summary['ID']}/raw")).content
        inbox = (await browser.get("/")).text
        assert 'href="http://127.0.0.1:8102/confirm/abc.def"' in inbox
        assert 'href="http://127.0.0.1:8102/u/x?a=1&amp;b=2"' in inbox
        assert (await browser.get("/api/v1/message/none")).status_code == 404
        assert (await browser.get("/api/v1/messages?start=1")).json()["messages"] == []


async def test_for_addresses_that_are_gone_the_catcher_has_no_mailbox_until_it_is_told_otherwise(
    tmp_path: Path,
) -> None:
    mailbox = Mailbox(tmp_path)
    transport = httpx.ASGITransport(create_app(mailbox))
    controller = Controller(Catcher(mailbox), hostname="127.0.0.1", port=ports.Ports.free().smtp)
    controller.start()
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://mail") as browser:
            assert (await browser.put("/api/v1/gone", json=["Zoe@example.org"])).status_code == 204
            with smtplib.SMTP("127.0.0.1", controller.port) as client:
                client.ehlo()
                client.mail("no-reply@fairpool.example")
                assert client.rcpt("zoe@example.org") == (550, b"5.1.1 no such mailbox")
                assert client.rcpt("ana@example.org")[0] == 250
                await browser.put("/api/v1/gone", json=[])
                assert client.rcpt("zoe@example.org")[0] == 250
    finally:
        controller.stop()


def test_a_home_that_is_older_than_ticks_gets_a_key_for_them_and_keeps_the_others(home: Home) -> None:
    new = _secrets(home)
    older = new.keys.copy()
    del older["FAIRPOOL_TICK_KEY"]
    home.secrets_file.write_text(new.model_copy(update={"keys": older}).model_dump_json())
    made = _secrets(home)
    assert len(encoding.decode(made.keys.pop("FAIRPOOL_TICK_KEY"))) == 32
    assert made.keys == older
    assert _secrets(home).keys.keys() == new.keys.keys()


def test_employers_are_told_often_on_a_laptop_unless_the_environment_says_otherwise(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = _secrets(home)
    where = endpoints.resolve(Ports(), kept)
    monkeypatch.delenv("FAIRPOOL_TICK", raising=False)

    def told() -> set[str]:
        made = services.parts(home, Ports(), Broker.EMBEDDED, where, kept.keys)
        return {part.command.environment["FAIRPOOL_TICK"] for part in made}

    assert told() == {"PT15S"}
    monkeypatch.setenv("FAIRPOOL_TICK", "PT6H")
    assert told() == {"PT6H"}


def test_a_home_that_is_older_than_signatures_gets_keys_and_takes_unsigned_records(home: Home) -> None:
    new = _secrets(home)
    assert new.signatures == "require"
    older = json.loads(home.secrets_file.read_text())
    del older["signatures"]
    older["keys"] = {name: key for name, key in new.keys.items() if "SIGNING" not in name and "VERIFY_KEYS" not in name}
    older["keys"]["FAIRPOOL_LINK_SIGNING_KEY"] = new.keys["FAIRPOOL_LINK_SIGNING_KEY"]
    home.secrets_file.write_text(json.dumps(older))
    kept = _secrets(home)
    assert kept.signatures == "take"
    assert kept.keys.keys() == new.keys.keys()
    assert _secrets(home) == kept
    assert kept.keys["FAIRPOOL_BLIND_INDEX_KEY"] == new.keys["FAIRPOOL_BLIND_INDEX_KEY"]
