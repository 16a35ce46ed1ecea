"""Settings: typed, from the environment, read once; a missing or wrong one is named in plain words."""

import base64
import ipaddress
import re
import ssl
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    SecretStr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, core_schema
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from shared.contracts.topics import SIGNERS
from shared.imprint import Operator
from shared.messaging.kafka import Kafka, Login, Mechanism, Protocol
from shared.messaging.signatures import STATEMENTS, Signatures, Verifier
from shared.roles import CONNECTIONS, FEWEST_CONNECTIONS, Role
from shared.security import encoding
from shared.security.seals import Seals
from shared.text import why_not_one_line, why_not_readable
from shared.web.http_limits import HttpLimits

PREFIX = "FAIRPOOL_"
_PUBLIC_KEY_BYTES = 32
EX_CONFIG = 78
"""The exit code of a process whose settings are wrong (sysexits.h)."""


def _split(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _split_text(value: object) -> object:
    return _split(value) if isinstance(value, str) else value


def _brokers(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not all(re.fullmatch(r"[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", broker) for broker in value):
        raise ValueError("expected host:port, several separated by commas")
    return value


def _secret(length: int) -> BeforeValidator:
    def decoded(value: object) -> object:
        expected = f"expected {length} bytes as base64url without padding ({-(-length * 4 // 3)} characters)"
        if isinstance(value, bytes):
            raw = value
        elif isinstance(value, str):
            try:
                raw = encoding.decode(value)
            except ValueError:
                raise ValueError(f"{expected}, found something else") from None
        else:
            raise ValueError(expected)
        if len(raw) != length:
            raise ValueError(f"{expected}, found {len(raw)} bytes")
        return raw

    return BeforeValidator(decoded)


def _public_keys(value: object) -> object:
    if not isinstance(value, str):
        return value
    expected = (
        f"expected NAME=KEY, separated by commas, with names of {', '.join(SIGNERS)} and keys of 32 bytes as base64url"
    )
    found: dict[str, tuple[bytes, ...]] = {}
    for part in _split(value):
        name, _, key = part.partition("=")
        try:
            raw = encoding.decode(key)
        except ValueError:
            raise ValueError(expected) from None
        if name not in (*SIGNERS, STATEMENTS) or len(raw) != _PUBLIC_KEY_BYTES:
            raise ValueError(expected)
        found[name] = (*found.get(name, ()), raw)
    if missing := [name for name in SIGNERS if name not in found]:
        raise ValueError(f"{expected}; there is none for {', '.join(missing)}")
    return found


def _seal_keys(value: object) -> object:
    if not isinstance(value, str):
        return value
    expected = "expected keys of 32 bytes as base64url without padding, separated by commas; the first seals"
    try:
        found = tuple(encoding.decode(part) for part in _split(value))
    except ValueError:
        raise ValueError(expected) from None
    if not found or any(len(key) != _PUBLIC_KEY_BYTES for key in found):
        raise ValueError(expected)
    return found


def _url(*schemes: str) -> AfterValidator:
    def checked(value: str) -> str:
        if not re.fullmatch(rf"({'|'.join(map(re.escape, schemes))})://\S+", value):
            raise ValueError(f"expected a URL that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return value

    return AfterValidator(checked)


def _with_tls(value: str, info: ValidationInfo) -> str:
    try:
        found = urlsplit(value)
        _ = found.port
    except ValueError:
        raise ValueError("expected a URL with a host and a port") from None
    if not found.hostname:
        raise ValueError("expected a URL with a host")
    if found.scheme != "smtp":
        return value
    if found.username or found.password:
        raise ValueError("expected smtp+starttls:// or smtps://, because a password must not leave without TLS")
    if not _is_this_machine(found.hostname) and found.hostname != info.data.get("smtp_plain_to"):
        raise ValueError(
            "expected smtp+starttls:// or smtps://, because the relay is not on this machine; for a mail catcher on a network "
            "of your own name its host in FAIRPOOL_SMTP_PLAIN_TO"
        )
    return value


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _none_or_url(value: str) -> str:
    if value == "none":
        return value
    if not re.fullmatch(r"https?://\S+", value):
        raise ValueError("expected none, or the URL of an OTLP collector that starts with http:// or https://")
    return value.rstrip("/")


def _one_line(value: str) -> str:
    text = value.strip()
    if text and (wrong := why_not_one_line(text) or why_not_readable(text)) is not None:
        raise ValueError(f"must {wrong}")
    return text


def _with_login(what: str) -> BeforeValidator:
    def checked(value: object, info: ValidationInfo) -> object:
        protocol = info.data.get("kafka_security")
        if protocol is not None and protocol.startswith("SASL") != bool(value):
            expected = f"expected {what}" if not value else "expected nothing"
            raise ValueError(f"{expected}, because FAIRPOOL_KAFKA_SECURITY is {protocol}")
        return value or None

    return BeforeValidator(checked)


def _authorities(value: object, info: ValidationInfo) -> object:
    protocol = info.data.get("kafka_security")
    if not value or protocol is None:
        return value or None
    if not protocol.endswith("SSL"):
        raise ValueError(f"expected nothing, because FAIRPOOL_KAFKA_SECURITY is {protocol}")
    if isinstance(value, str) and value.startswith(_THEMSELVES):
        return _der(value.removeprefix(_THEMSELVES))
    return value if isinstance(value, bytes) else _readable(Path(str(value)))


def _der(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
        ssl.create_default_context(cadata=found)
    except (ValueError, OSError) as error:  # binascii.Error is the one, ssl.SSLError the other
        raise ValueError("expected base64: and a certificate (DER), as `fairpool secrets kafka` makes it") from error
    return found


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(one)) for one in value)
    except ValueError:
        raise ValueError("expected addresses or networks such as 10.0.0.7 or 10.0.0.0/8, separated by commas") from None


def _more_than_in_hand(value: int, info: ValidationInfo) -> int:
    in_hand = HttpLimits(
        api_requests=info.data.get("http_api_requests", 0),
        page_requests=info.data.get("http_page_requests", 0),
        streams=info.data.get("http_streams", 0),
    ).in_hand
    if value <= in_hand:
        raise ValueError(f"expected more than {in_hand}, which is what may be in hand (requests, pages, streams)")
    return value


def _readable(value: Path | None) -> Path | None:
    if value is not None:
        try:
            ssl.create_default_context(cafile=value)
        except OSError as error:  # ssl.SSLError is one
            raise ValueError("expected a file with certificates (PEM) that this process may read") from error
    return value


_EMPTY_IS_NONE = BeforeValidator(lambda value: value or None)
"""For a variable that compose files and manifests pass on whether it is set or not."""
OwnFolder = Annotated[Path | None, _EMPTY_IS_NONE]
"""A directory with files of the operator's own; empty: there are none. Who reads it says so when it is not there."""
Certificates = Annotated[Path | None, _EMPTY_IS_NONE, AfterValidator(_readable)]
"""A file with certificates (PEM) of authorities, or none."""
Secret32 = Annotated[bytes, _secret(32), Field(repr=False)]
"""32 bytes, in the environment as base64url without padding; never shown by the settings' repr."""
Secret64 = Annotated[bytes, _secret(64), Field(repr=False)]
"""64 bytes, as `Secret32`."""


RoleSecret32 = Annotated[bytes | None, _secret(32), Field(repr=False)]
"""As `Secret32`, for a setting that is `OnlyFor` some roles."""
RoleSecret64 = Annotated[bytes | None, _secret(64), Field(repr=False)]


@dataclass(frozen=True, slots=True)
class OnlyFor:
    """Of a setting that may be None: the roles whose processes can't do without it. The others forget it if they are told."""

    roles: frozenset[Role]

    def is_needed_by(self, role: Role) -> bool:
        """Whether a process of this role does something that takes it."""
        return any(role.has(one) for one in self.roles)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - as pydantic calls it
        return core_schema.with_info_wrap_validator_function(self._checked, handler(source))

    def _checked(self, value: object, further: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        role = info.data.get("role")
        if role is None or not self.is_needed_by(role):
            return None
        if not value:
            raise ValueError(f"is missing, because FAIRPOOL_ROLE is {role} (a secret; it has no default)")
        return further(value)


PublicKeys = Annotated[dict[str, tuple[bytes, ...]], NoDecode, BeforeValidator(_public_keys)]
"""By signer, the public halves of their keys; in the environment `NAME=KEY`, separated by commas, a name as often as it has keys."""
SealKeys = Annotated[tuple[bytes, ...], NoDecode, BeforeValidator(_seal_keys), Field(repr=False)]
"""Keys of 32 bytes, in the environment as `Secret32`, separated by commas: the first seals, all of them open."""
PostgresUrl = Annotated[str, _url("postgresql", "postgres"), Field(repr=False)]
"""A DSN; it may hold a password, so the settings' repr leaves it out."""
RedisUrl = Annotated[str, _url("redis", "rediss"), Field(repr=False)]
SmtpUrl = Annotated[str, _url("smtp", "smtp+starttls", "smtps"), AfterValidator(_with_tls), Field(repr=False)]
"""A mail relay; one without TLS must be on this machine, unless a setting before it, `smtp_plain_to`, names its host."""
WebUrl = Annotated[str, _url("http", "https"), AfterValidator(lambda value: value.rstrip("/"))]
"""A public base URL for links, without the slash at its end."""
Duration = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=1))]
"""A length of time up to a day, in the environment as ISO 8601 (`PT30S`) or `HH:MM:SS`."""

Wait = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=1))]
"""As `Duration`; zero is allowed (`PT0S`)."""


_THEMSELVES = "base64:"
"""What a setting begins with that holds certificates instead of naming a file."""

_HTTP = HttpLimits()
_AtLeastOne = Field(ge=1, le=100_000)


NOT_TOLD: Any = Field(default=None, validate_default=True)
"""The default of a secret that is `OnlyFor` some roles."""


def is_needed(field: FieldInfo, role: Role) -> bool:
    """Whether a process of this role does not start without this setting."""
    return field.is_required() or any(isinstance(one, OnlyFor) and one.is_needed_by(role) for one in field.metadata)


class KafkaSettings(BaseSettings):
    """Where Kafka is and how one gets in; each is checked beside those before it, so the order matters."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    kafka: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_text), AfterValidator(_brokers)]
    """Kafka's `host:port`, several separated by commas."""
    kafka_security: Annotated[Protocol, BeforeValidator(lambda value: value or "PLAINTEXT")] = "PLAINTEXT"
    """Whether records travel with TLS, and whether there is a login."""
    kafka_mechanism: Annotated[Mechanism | None, _with_login("PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")] = None
    kafka_user: Annotated[str | None, _with_login("a user name")] = None
    kafka_password: Annotated[SecretStr | None, _with_login("a password")] = None
    kafka_ca: Annotated[Path | bytes | None, BeforeValidator(_authorities)] = None
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
    http_host: str = "127.0.0.1"
    http_port: int = Field(ge=0, le=65_535)
    """0 takes any free port."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_text), AfterValidator(_networks)] = ()
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
    database_connections: Annotated[Annotated[int, Field(ge=FEWEST_CONNECTIONS, le=1_000)] | None, _EMPTY_IS_NONE] = (
        None
    )
    """Connections to PostgreSQL; none: what the role needs."""
    clock_file: Path | None = None
    """A file with an offset in milliseconds; only `fairpool dev` and tests set it."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    retry_for: Duration = timedelta(seconds=60)
    """How long a handler retries a transient error before the process exits and leaves the batch to another."""
    stuck_after: Duration = timedelta(seconds=60)
    """How long a reader of a topic may stand still while records wait for it, before the process exits."""
    traces: Annotated[str, AfterValidator(_none_or_url)] = "none"
    """Where OpenTelemetry traces go, an OTLP collector's base URL (HTTP), or `none`."""
    drain_for: Wait = timedelta(seconds=5)
    """How long a process that is told to stop still takes requests, while `/health/ready` sends new ones elsewhere."""
    stop_within: Duration = timedelta(seconds=10)
    """How long a stopping process may take to finish its batch, commit and leave its group."""
    operator_name: Annotated[str, AfterValidator(_one_line)] = ""
    """Who runs this network, as people read it; nothing: pages and emails say that it was not given."""
    operator_address: Annotated[str, AfterValidator(_one_line)] = ""
    """Their postal address, on one line."""
    contact_email: Annotated[str, AfterValidator(_one_line)] = ""
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
        """Kafka, as clients take it, and who is believed there."""
        return replace(super().cluster, verifier=self.verifier)

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

    consent_seal_keys: SealKeys
    """Consent seals with the first; all open, so that one can be exchanged."""

    @property
    def seals(self) -> Seals:
        """The keys in use."""
        return Seals(self.consent_seal_keys)


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
