"""Settings: typed, from the environment, read once; a missing or wrong one is named in plain words."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from shared.imprint import Operator
from shared.messaging.kafka import Kafka, Login, Protocol
from shared.messaging.signatures import Signatures, Verifier
from shared.roles import CONNECTIONS, Role
from shared.security.seals import Seals
from shared.setting_forms import (
    Authorities,
    Brokers,
    Connections,
    Duration,
    Keys32,
    LoginMechanism,
    LoginPassword,
    LoginUser,
    Networks,
    OneLine,
    PublicKeys,
    Secret32,
    TickLength,
    TracesUrl,
    Wait,
)
from shared.ticks import DAY, Ticks
from shared.web.http_limits import HttpLimits

PREFIX = "FAIRPOOL_"
EX_CONFIG = 78
"""The exit code of a process whose settings are wrong (sysexits.h)."""

_HTTP = HttpLimits()
_AtLeastOne = Field(ge=1, le=100_000)


def _more_than_in_hand(value: int, info: ValidationInfo) -> int:
    in_hand = HttpLimits(
        api_requests=info.data.get("http_api_requests", 0),
        page_requests=info.data.get("http_page_requests", 0),
        streams=info.data.get("http_streams", 0),
    ).in_hand
    if value <= in_hand:
        raise ValueError(f"expected more than {in_hand}, which is what may be in hand (requests, pages, streams)")
    return value


class KafkaSettings(BaseSettings):
    """Where Kafka is and how one gets in; each is checked beside those before it, so the order matters."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    kafka: Brokers
    """Kafka's `host:port`, several separated by commas."""
    kafka_security: Annotated[Protocol, BeforeValidator(lambda value: value or "PLAINTEXT")] = "PLAINTEXT"
    """Whether records travel with TLS, and whether there is a login."""
    kafka_mechanism: LoginMechanism = None
    kafka_user: LoginUser = None
    kafka_password: LoginPassword = None
    kafka_ca: Authorities = None
    """The certificates that the brokers' are signed with: a file (PEM), or themselves (DER), in the environment `base64:...`;
    those of the system where there is none."""

    @property
    def cluster(self) -> Kafka:
        """Kafka, as clients take it."""
        login = None
        if self.kafka_mechanism and self.kafka_user and self.kafka_password:
            login = Login(self.kafka_mechanism, self.kafka_user, self.kafka_password.get_secret_value())
        return Kafka(self.kafka, tls=self.kafka_security.endswith("SSL"), ca=self.kafka_ca, login=login)


class ServiceSettings(KafkaSettings):
    """What every process needs to know; services add their own knobs and secrets."""

    ROLES: ClassVar[frozenset[Role]] = frozenset({Role.ALL, Role.EDGE, Role.WORKER})
    """Which roles there are of the service."""

    signing_key: Secret32
    """The seed of the key with which this process signs what it says (Ed25519)."""
    verify_keys: PublicKeys
    """Who is believed: the public halves of everybody's keys."""
    signatures: Signatures = "require"
    """Whether unsigned records are refused (`require`), or still read, while not every process signs (`take`)."""
    kafka_idempotence: bool = True
    """Whether producers are idempotent; false on Tansu, which can't."""
    kafka_fetch_wait: Duration = timedelta(seconds=1)
    """How long a broker may hold a fetch that it has no record for; the first record ends it. 0.2 s on Tansu, which holds each for so long: there it is how often a process asks for news."""
    kafka_fetch_wait_busy: Duration = timedelta(seconds=1)
    """The same while records come. Less only where a record does not end it: 15 ms on Tansu, whose ends are asked for then (0053)."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(ge=0, le=65_535)
    """0 takes any free port."""
    trusted_proxies: Networks = ()
    """The addresses or networks whose X-Forwarded-For and -Proto are believed, separated by commas; nobody's otherwise."""
    http_api_requests: Annotated[int, _AtLeastOne] = _HTTP.api_requests
    """Requests of `/v1/` that are answered at a time."""
    http_page_requests: Annotated[int, _AtLeastOne] = _HTTP.page_requests
    """Requests of all else, which is what people open, at a time."""
    http_origin_requests: Annotated[int, _AtLeastOne] = _HTTP.origin_requests
    """Requests of one address at a time."""
    http_streams: Annotated[int, _AtLeastOne] = _HTTP.streams
    """Streams that are open at a time, of all tenants."""
    http_tenant_streams: Annotated[int, _AtLeastOne] = _HTTP.tenant_streams
    """Streams of one tenant at a time."""
    http_connections: Annotated[int, _AtLeastOne, AfterValidator(_more_than_in_hand)] = _HTTP.connections
    """Connections at a time: more than all of the above together."""
    http_head_bytes: int = Field(default=_HTTP.head_bytes, ge=4096, le=1_048_576)
    """How large a request line and its headers may be together."""
    http_head_within: Duration = _HTTP.head_within
    """How long they may take to arrive."""
    http_body_within: Duration = _HTTP.body_within
    """How long a body may take to arrive."""
    http_write_within: Duration = _HTTP.write_within
    """How long a caller may take nothing of its answer."""
    role: Role = Role.ALL
    """What this process of the service is there for."""
    database_connections: Connections = None
    """Connections to PostgreSQL; none: what the role needs."""
    clock_file: Path | None = None
    """A file with an offset in milliseconds; only `fairpool dev` and tests set it."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    retry_for: Duration = timedelta(seconds=60)
    """How long a handler retries a transient error before the process exits and leaves the batch to another."""
    stuck_after: Duration = timedelta(seconds=60)
    """How long a reader of a topic may stand still while records wait for it, before the process exits."""
    traces: TracesUrl = "none"
    """Where OpenTelemetry traces go, an OTLP collector's base URL (HTTP), or `none`."""
    drain_for: Wait = timedelta(seconds=5)
    """How long a process that is told to stop still takes requests, while `/health/ready` sends new ones elsewhere."""
    stop_within: Duration = timedelta(seconds=10)
    """How long a stopping process may take to finish its batch, commit and leave its group."""
    operator_name: OneLine = ""
    """Who runs this network, as people read it; nothing: pages and emails say that it was not given."""
    operator_address: OneLine = ""
    """Their postal address, on one line."""
    contact_email: OneLine = ""
    """Where people may write to with questions."""

    @field_validator("role")
    @classmethod
    def _is_a_role_of_it(cls, value: Role) -> Role:
        if value not in cls.ROLES:
            raise ValueError(f"expected one of {', '.join(sorted(cls.ROLES))}, since this service has no others")
        return value

    @property
    def connections(self) -> int:
        """How many connections to PostgreSQL this process may have."""
        return self.database_connections or CONNECTIONS[self.role]

    @cached_property
    def verifier(self) -> Verifier:
        """Tells who says a record; one for the process, since it remembers."""
        return Verifier(self.verify_keys, self.signatures, self.seals)

    @property
    def seals(self) -> Seals:
        """What opens, and for its owner seals, what only some readers of a topic need; nothing for whoever needs none of it."""
        return Seals()

    @property
    def cluster(self) -> Kafka:
        """Kafka, as clients take it, who is believed there, and how patient a fetch is."""
        return replace(
            super().cluster,
            verifier=self.verifier,
            fetch_wait=self.kafka_fetch_wait,
            busy_fetch_wait=self.kafka_fetch_wait_busy,
        )

    @property
    def http_limits(self) -> HttpLimits:
        """How much this process takes on at a time, and how long it waits for a caller."""
        return HttpLimits(
            api_requests=self.http_api_requests,
            page_requests=self.http_page_requests,
            origin_requests=self.http_origin_requests,
            streams=self.http_streams,
            tenant_streams=self.http_tenant_streams,
            connections=self.http_connections,
            head_bytes=self.http_head_bytes,
            head_within=self.http_head_within,
            body_within=self.http_body_within,
            write_within=self.http_write_within,
        )

    @property
    def operator(self) -> Operator:
        """Who runs this network."""
        return Operator(self.operator_name, self.operator_address, self.contact_email)


class ReadsLimitsSettings(ServiceSettings):
    """Of a process that needs what is sealed in a consent: who is blocked, hours, zone, kinds of work."""

    consent_seal_keys: Keys32
    """Consent seals with the first; all open, so that one can be exchanged."""

    @property
    def seals(self) -> Seals:
        """The keys in use."""
        return Seals(self.consent_seal_keys)


class TellsEmployersSettings(ReadsLimitsSettings):
    """Of a process that tells employers what came of others' acts, or decides what they will be told."""

    tick_key: Secret32
    """Gives each employer a moment of its own; all processes have the same."""
    tick: TickLength = DAY
    """How often an employer is told."""

    @property
    def ticks(self) -> Ticks:
        """When which employer is told."""
        return Ticks(self.tick_key, self.tick)


S = TypeVar("S", bound=BaseSettings)


def load(settings: type[S], **given: Any) -> S:  # noqa: ANN401 - each setting has a type of its own
    """What is given, the rest from the environment; exits with 78 and a line for each wrong variable, never its value."""
    try:
        return settings(**given)
    except ValidationError as error:
        problems = [_line(settings, item) for item in error.errors(include_input=False, include_url=False)]
    except SettingsError as error:
        problems = [str(error)]
    raise refused(problems)


def refused(problems: Iterable[str]) -> SystemExit:
    """To be raised: says what is wrong with the settings, a line each; the exit code is 78."""
    sys.stderr.write("Fairpool can't start, because settings in the environment are missing or wrong:\n")
    sys.stderr.writelines(f"  {problem}\n" for problem in problems)
    sys.stderr.write("Each is explained in .env.example; `fairpool dev` sets all of them.\n")
    return SystemExit(EX_CONFIG)


def _line(settings: type[BaseSettings], item: ErrorDetails) -> str:
    name = str(item["loc"][0]) if item["loc"] else ""
    variable = PREFIX + name.upper() if name else "the settings together"
    if item["type"] == "missing":
        return f"{variable} is missing{_expected(settings.model_fields.get(name))}"
    if item["type"].startswith("time_delta"):
        return f"{variable}: expected a length of time such as PT30S (30 seconds) or 00:01:00 (a minute)"
    return f"{variable}: {item['msg'].removeprefix('Value error, ')}"


def _expected(field: FieldInfo | None) -> str:
    if field is None or field.annotation is not bytes:
        return ""
    return " (a secret; it has no default)"
