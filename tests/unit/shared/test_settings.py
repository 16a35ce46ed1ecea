from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from shared.messaging.unit import SHARDS
from shared.roles import CONNECTIONS, FEWEST_CONNECTIONS, Role
from shared.security.encoding import encode
from shared.setting_forms import Keys64, PostgresUrl, Secret32, WebUrl
from shared.settings import ServiceSettings, TellsEmployersSettings, load
from shared.ticks import Ticks
from shared.web.http_limits import HttpLimits
from tests.signing import TICK_KEY, environment_of


class Settings(ServiceSettings):
    """A service with every kind of knob."""

    vault_key: Secret32
    member_ref_key: Keys64
    signup_database: PostgresUrl
    signup_url: WebUrl = "http://127.0.0.1:8101"


KEY = bytes(range(32))
GOOD = {
    "FAIRPOOL_KAFKA": "one:9092, two:9093",
    "FAIRPOOL_HTTP_PORT": "8101",
    **environment_of("signup"),
    "FAIRPOOL_VAULT_KEY": encode(KEY),
    "FAIRPOOL_MEMBER_REF_KEY": encode(KEY * 2),
    "FAIRPOOL_SIGNUP_DATABASE": "postgresql://signup:hunter2hunter2@db/signup",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    yield monkeypatch


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        load(Settings)
    assert caught.value.code == 78
    return capsys.readouterr().err


def test_what_the_environment_says_is_typed() -> None:
    settings = load(Settings)
    assert settings.kafka == ("one:9092", "two:9093")
    assert settings.http_port == 8101
    assert settings.vault_key == KEY
    assert settings.member_ref_key == (KEY * 2,)
    assert settings.kafka_idempotence is True
    assert settings.clock_file is None
    assert (settings.retry_for, settings.stop_within) == (timedelta(seconds=60), timedelta(seconds=10))


def test_lengths_of_time_have_units(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("FAIRPOOL_RETRY_FOR", "PT90S")
    environment.setenv("FAIRPOOL_STOP_WITHIN", "00:00:05")
    settings = load(Settings)
    assert (settings.retry_for, settings.stop_within) == (timedelta(seconds=90), timedelta(seconds=5))
    environment.setenv("FAIRPOOL_RETRY_FOR", "90")
    assert "FAIRPOOL_RETRY_FOR: expected a length of time such as PT30S" in refused(capsys)


def test_flags_and_paths_are_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FAIRPOOL_KAFKA_IDEMPOTENCE", "false")
    environment.setenv("FAIRPOOL_CLOCK_FILE", "/somewhere/clock")
    environment.setenv("FAIRPOOL_SIGNUP_URL", "https://fairpool.example/")
    settings = load(Settings)
    assert settings.kafka_idempotence is False
    assert settings.clock_file == Path("/somewhere/clock")
    assert settings.signup_url == "https://fairpool.example"


def test_who_runs_the_network_is_one_line_each_and_may_be_missing(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load(Settings).operator.missing == (
        "FAIRPOOL_OPERATOR_NAME",
        "FAIRPOOL_OPERATOR_ADDRESS",
        "FAIRPOOL_CONTACT_EMAIL",
    )
    environment.setenv("FAIRPOOL_OPERATOR_NAME", " The Example Pool ")
    assert load(Settings).operator.who == "Fairpool is run by The Example Pool, who have not given a postal address."
    environment.setenv("FAIRPOOL_OPERATOR_ADDRESS", "1 Main Street\nDenver")
    assert "FAIRPOOL_OPERATOR_ADDRESS: must be one line" in refused(capsys)


def test_every_missing_and_every_wrong_variable_is_named_at_once(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("FAIRPOOL_VAULT_KEY")
    environment.delenv("FAIRPOOL_KAFKA")
    environment.setenv("FAIRPOOL_HTTP_PORT", "eighty")
    environment.setenv("FAIRPOOL_LOG_LEVEL", "LOUD")
    said = refused(capsys)
    assert "FAIRPOOL_VAULT_KEY is missing (a secret; it has no default)" in said
    assert "FAIRPOOL_KAFKA is missing" in said
    assert "FAIRPOOL_HTTP_PORT: " in said
    assert "FAIRPOOL_LOG_LEVEL: " in said


@pytest.mark.parametrize(
    "wrong",
    [encode(KEY) + "=", encode(KEY[:31]), encode(KEY + b"x"), "", "not base64 !!", encode(KEY)[:-1] + "B"],
)
def test_a_secret_of_another_form_or_length_is_refused_and_not_shown(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    environment.setenv("FAIRPOOL_VAULT_KEY", wrong)
    said = refused(capsys)
    assert "FAIRPOOL_VAULT_KEY: expected 32 bytes as base64url without padding (43 characters)" in said
    assert not wrong or wrong not in said


def test_a_secret_may_be_a_list_the_one_in_use_first(environment: pytest.MonkeyPatch) -> None:
    new, old = bytes(range(64)), bytes(64)
    environment.setenv("FAIRPOOL_MEMBER_REF_KEY", f"{encode(new)}, {encode(old)}")
    assert load(Settings).member_ref_key == (new, old)


@pytest.mark.parametrize(
    "wrong",
    ["", ",", encode(KEY), f"{encode(KEY * 2)},{encode(KEY)}", f"{encode(KEY * 2)},{encode(KEY * 2)}", "not base64 !!"],
)
def test_a_list_with_a_secret_of_another_form_or_the_same_twice_is_refused_and_not_shown(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    environment.setenv("FAIRPOOL_MEMBER_REF_KEY", wrong)
    said = refused(capsys)
    assert "FAIRPOOL_MEMBER_REF_KEY: expected keys of 64 bytes as base64url without padding (86 characters)" in said
    assert encode(KEY) not in said


@pytest.mark.parametrize("wrong", ["", "host", "host:port", '["one:9092"]', "kafka://one:9092"])
def test_a_broker_without_host_and_port_is_refused(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    environment.setenv("FAIRPOOL_KAFKA", wrong)
    assert "FAIRPOOL_KAFKA: expected host:port, several separated by commas" in refused(capsys)


def test_a_wrong_database_url_is_refused_without_showing_its_password(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("FAIRPOOL_SIGNUP_DATABASE", "mysql://signup:hunter2hunter2@db/signup")
    said = refused(capsys)
    assert "FAIRPOOL_SIGNUP_DATABASE: expected a URL that starts with postgresql:// or postgres://" in said
    assert "hunter2" not in said


def test_proxies_are_addresses_or_networks_and_nobody_is_trusted_unless_named(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load(Settings).trusted_proxies == ()
    environment.setenv("FAIRPOOL_TRUSTED_PROXIES", "10.0.0.7, 2001:db8::/32")
    assert load(Settings).trusted_proxies == ("10.0.0.7/32", "2001:db8::/32")
    for wrong in ("*", "proxy.internal", "10.0.0.7/8"):
        environment.setenv("FAIRPOOL_TRUSTED_PROXIES", wrong)
        assert "FAIRPOOL_TRUSTED_PROXIES: expected addresses or networks" in refused(capsys)


def test_the_limits_are_passed_on_and_leave_a_connection_that_can_make_room(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load(Settings).http_limits == HttpLimits()
    chosen = {
        "http_api_requests": 11,
        "http_page_requests": 12,
        "http_origin_requests": 13,
        "http_streams": 14,
        "http_tenant_streams": 15,
        "http_connections": 300,
        "http_head_bytes": 8192,
        "http_head_within": timedelta(seconds=16),
        "http_body_within": timedelta(seconds=17),
        "http_write_within": timedelta(seconds=18),
    }
    limits = load(Settings, **chosen).http_limits
    assert asdict(limits) == {name.removeprefix("http_"): value for name, value in chosen.items()}
    environment.setenv("FAIRPOOL_HTTP_CONNECTIONS", "1024")
    assert "FAIRPOOL_HTTP_CONNECTIONS: expected more than 1056" in refused(capsys)


def test_the_repr_shows_no_secret() -> None:
    shown = repr(load(Settings)) + str(load(Settings))
    assert "hunter2" not in shown
    assert "x01" not in shown
    assert encode(KEY) not in shown


def test_each_role_has_connections_of_its_own_and_an_operator_may_say_how_many(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load(Settings).connections == CONNECTIONS[Role.ALL]
    monkeypatch.setenv("FAIRPOOL_ROLE", "edge")
    monkeypatch.setenv("FAIRPOOL_DATABASE_CONNECTIONS", "")
    assert load(Settings).connections == CONNECTIONS[Role.EDGE]
    monkeypatch.setenv("FAIRPOOL_DATABASE_CONNECTIONS", "25")
    assert load(Settings).connections == 25
    monkeypatch.setenv("FAIRPOOL_DATABASE_CONNECTIONS", "5")
    assert "FAIRPOOL_DATABASE_CONNECTIONS: " in refused(capsys)
    assert min(CONNECTIONS.values()) >= FEWEST_CONNECTIONS > SHARDS


def test_an_employer_is_told_every_six_hours_to_a_day_and_more_often_only_beside_a_clock_that_is_moved(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment_of("pool_matching").items():
        environment.setenv(name, value)
    assert load(TellsEmployersSettings).ticks == Ticks(TICK_KEY, timedelta(days=1))
    environment.setenv("FAIRPOOL_TICK", "PT6H")
    assert load(TellsEmployersSettings).ticks == Ticks(TICK_KEY, timedelta(hours=6))
    for wrong, why in (
        ("PT5H59M", "6 hours (PT6H) to a day (P1D)"),
        ("P1DT1S", "less than or equal to 1 day"),
        ("PT0S", ""),
    ):
        environment.setenv("FAIRPOOL_TICK", wrong)
        with pytest.raises(SystemExit):
            load(TellsEmployersSettings)
        said = capsys.readouterr().err
        assert "FAIRPOOL_TICK: " in said
        assert why in said
    environment.setenv("FAIRPOOL_CLOCK_FILE", "/somewhere/clock")
    environment.setenv("FAIRPOOL_TICK", "PT15S")
    assert load(TellsEmployersSettings).ticks.period == timedelta(seconds=15)
    assert "TICK_KEY" not in repr(load(TellsEmployersSettings)).upper()
