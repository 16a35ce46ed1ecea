"""The forms of settings in the environment: each is checked, and says in plain words what was expected."""

import base64
import ipaddress
import re
import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    SecretStr,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema
from pydantic_settings import NoDecode

from shared.contracts.topics import SIGNERS
from shared.messaging.kafka import Mechanism
from shared.messaging.signatures import STATEMENTS
from shared.roles import FEWEST_CONNECTIONS, Role
from shared.security import encoding
from shared.text import why_not_one_line, why_not_readable
from shared.ticks import SHORTEST

_PUBLIC_KEY_BYTES = 32


def _split(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _split_text(value: object) -> object:
    return _split(value) if isinstance(value, str) else value


def _brokers(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not all(re.fullmatch(r"[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", broker) for broker in value):
        raise ValueError("expected host:port, several separated by commas")
    return value


def _secret(length: int, *, may_be_missing: bool = False) -> BeforeValidator:
    def decoded(value: object) -> object:
        if may_be_missing and not value:
            return None
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


def _keys(length: int, *, may_be_missing: bool = False) -> BeforeValidator:
    def decoded(value: object) -> object:
        if not value and may_be_missing:
            return ()
        expected = (
            f"expected keys of {length} bytes as base64url without padding ({-(-length * 4 // 3)} characters), separated by "
            "commas: the one in use first, then those before it"
        )
        if isinstance(value, str):
            try:
                found = tuple(encoding.decode(part) for part in _split(value))
            except ValueError:
                raise ValueError(f"{expected}; found something else") from None
        elif isinstance(value, bytes):
            found = (value,)
        elif isinstance(value, tuple) and all(isinstance(key, bytes) for key in value):
            found = value
        else:
            raise ValueError(expected)
        if not found:
            raise ValueError(f"{expected}; found none")
        if wrong := [len(key) for key in found if len(key) != length]:
            raise ValueError(f"{expected}; found one of {wrong[0]} bytes")
        if len(set(found)) < len(found):
            raise ValueError(f"{expected}; found the same twice")
        return found

    return BeforeValidator(decoded)


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


def _not_too_often(value: timedelta, info: ValidationInfo) -> timedelta:
    if value < SHORTEST and info.data.get("clock_file") is None:
        raise ValueError(
            "expected 6 hours (PT6H) to a day (P1D); less tells an employer too much of what others did, and when"
        )
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(one)) for one in value)
    except ValueError:
        raise ValueError("expected addresses or networks such as 10.0.0.7 or 10.0.0.0/8, separated by commas") from None


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
Keys32 = Annotated[tuple[bytes, ...], NoDecode, _keys(32), Field(repr=False)]
"""`NEW,OLD`: secrets of 32 bytes, each as `Secret32`: what is made is made with the first, what any of them made is read."""
Keys64 = Annotated[tuple[bytes, ...], NoDecode, _keys(64), Field(repr=False)]
MaybeKeys32 = Annotated[
    tuple[bytes, ...], NoDecode, _keys(32, may_be_missing=True), Field(repr=False, validate_default=True)
]
"""As `Keys32`, or none."""
RoleKeys32 = Annotated[tuple[bytes, ...] | None, NoDecode, _keys(32), Field(repr=False)]
"""As `Keys32`, for a setting that is `OnlyFor` some roles."""
RoleKeys64 = Annotated[tuple[bytes, ...] | None, NoDecode, _keys(64), Field(repr=False)]
OldSecret32 = Annotated[bytes | None, _secret(32, may_be_missing=True), Field(repr=False)]
"""As `Secret32`, of a secret that only an older installation still has."""


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


Brokers = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_text), AfterValidator(_brokers)]
"""`host:port`, several separated by commas."""
Networks = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_text), AfterValidator(_networks)]
"""Addresses or networks, separated by commas."""
LoginMechanism = Annotated[Mechanism | None, _with_login("PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")]
"""Of a setting after `kafka_security`, as the next two: needed where that says SASL, and none elsewhere."""
LoginUser = Annotated[str | None, _with_login("a user name")]
LoginPassword = Annotated[SecretStr | None, _with_login("a password")]
Authorities = Annotated[Path | bytes | None, BeforeValidator(_authorities)]
"""Certificates of authorities: a file (PEM), or themselves (DER), in the environment `base64:...`."""
TracesUrl = Annotated[str, AfterValidator(_none_or_url)]
"""A collector's base URL, or `none`."""
OneLine = Annotated[str, AfterValidator(_one_line)]
"""Words that people read, on one line."""
Connections = Annotated[Annotated[int, Field(ge=FEWEST_CONNECTIONS, le=1_000)] | None, _EMPTY_IS_NONE]
"""How many connections to PostgreSQL, or none for what the role needs."""
PublicKeys = Annotated[dict[str, tuple[bytes, ...]], NoDecode, BeforeValidator(_public_keys)]
"""By signer, the public halves of their keys; in the environment `NAME=KEY`, separated by commas, a name as often as it has keys."""
PostgresUrl = Annotated[str, _url("postgresql", "postgres"), Field(repr=False)]
"""A DSN; it may hold a password, so the settings' repr leaves it out."""
RedisUrl = Annotated[str, _url("redis", "rediss"), Field(repr=False)]
SmtpUrl = Annotated[str, _url("smtp", "smtp+starttls", "smtps"), AfterValidator(_with_tls), Field(repr=False)]
"""A mail relay; one without TLS must be on this machine, unless a setting before it, `smtp_plain_to`, names its host."""
KeeperUrl = Annotated[str, _url("file", "aws-kms", "vault+https", "vault+http"), Field(repr=False)]
"""Who keeps the vault's epoch keys: `file:///a/directory`, `aws-kms:///region`, `vault+https://host:port/mount?token-file=/a/file`."""
WebUrl = Annotated[str, _url("http", "https"), AfterValidator(lambda value: value.rstrip("/"))]
"""A public base URL for links, without the slash at its end."""
Duration = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=1))]
"""A length of time up to a day, in the environment as ISO 8601 (`PT30S`) or `HH:MM:SS`."""

TickLength = Annotated[Duration, AfterValidator(_not_too_often)]
"""Of a setting after `clock_file`: 6 hours to a day; where that is set, on a laptop and in tests, less as well."""
Wait = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=1))]
"""As `Duration`; zero is allowed (`PT0S`)."""


_THEMSELVES = "base64:"
"""What a setting begins with that holds certificates instead of naming a file."""


NOT_TOLD: Any = Field(default=None, validate_default=True)
"""The default of a secret that is `OnlyFor` some roles."""


def is_needed(field: FieldInfo, role: Role) -> bool:
    """Whether a process of this role does not start without this setting."""
    return field.is_required() or any(isinstance(one, OnlyFor) and one.is_needed_by(role) for one in field.metadata)
