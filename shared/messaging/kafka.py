"""Where Kafka is and how one gets in: the addresses, TLS and SASL, as the client libraries want to be told."""

import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from shared.messaging.signatures import Verifier

if TYPE_CHECKING:
    from shared.messaging.ends import EndsWatch

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

METADATA_MAX_AGE_MS = 60_000
"""How late a client may notice that a topic was made anew, or has more partitions; aiokafka's own five minutes are long to be deaf for."""
_SASL: dict[Mechanism, type[SASLPlaintext | SASLScram256 | SASLScram512]] = {
    "PLAIN": SASLPlaintext,
    "SCRAM-SHA-256": SASLScram256,
    "SCRAM-SHA-512": SASLScram512,
}


class FetchWait(int):
    """Milliseconds that a broker may hold a fetch; `busy` of them while records come, which matters where a record does not end it.

    With `ends`, a fetch that the broker has no record for isn't made at all.
    """

    busy: int
    ends: "EndsWatch | None"

    def __new__(cls, idle: timedelta, busy: timedelta, ends: "EndsWatch | None" = None) -> Self:
        made = super().__new__(cls, idle // timedelta(milliseconds=1))
        made.ends = ends
        made.busy = busy // timedelta(milliseconds=1)
        return made


@dataclass(frozen=True, slots=True)
class Login:
    """A user and how Kafka is to be shown that it is this one."""

    mechanism: Mechanism
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kafka:
    """One cluster: in plain text, with TLS, with a login, or with both."""

    servers: tuple[str, ...]
    """Each `host:port`."""
    tls: bool = False
    ca: Path | bytes | None = None
    """The certificates that the brokers' are signed with, a file (PEM) or themselves (DER); the system's where there is none."""
    login: Login | None = None
    verifier: Verifier | None = field(default=None, repr=False, compare=False)
    """Who is believed what they say there; None: whoever writes to it."""
    fetch_wait: timedelta = field(default=timedelta(milliseconds=100), compare=False)
    """How long a broker may hold a fetch that it has no record for."""
    busy_fetch_wait: timedelta | None = field(default=None, compare=False)
    """The same of a reader that records came for lately; none: no other."""

    @classmethod
    def plain(cls, servers: str) -> Self:
        """In plain text and without a login; several `host:port` are separated by commas."""
        return cls(tuple(server.strip() for server in servers.split(",")))

    @property
    def protocol(self) -> Protocol:
        """What Kafka calls this combination."""
        if self.login is None:
            return "SSL" if self.tls else "PLAINTEXT"
        return "SASL_SSL" if self.tls else "SASL_PLAINTEXT"

    @property
    def holds_fetches(self) -> bool:
        """Whether its brokers are said to hold a fetch to its end also when they have records for it, as Tansu does."""
        return self.busy_fetch_wait is not None and self.busy_fetch_wait < self.fetch_wait

    def fetch_wait_ms(self, ends: "EndsWatch | None" = None) -> FetchWait:
        """`fetch_wait`, as consumers take it."""
        return FetchWait(self.fetch_wait, self.busy_fetch_wait or self.fetch_wait, ends)

    def ssl_context(self) -> ssl.SSLContext | None:
        """Checks certificate and host name; OSError or ssl.SSLError when the CA file can't be read."""
        if not self.tls:
            return None
        if isinstance(self.ca, bytes):
            return ssl.create_default_context(cadata=self.ca)
        return ssl.create_default_context(cafile=self.ca)

    def for_aiokafka(self) -> dict[str, Any]:
        """The keyword arguments of every aiokafka client."""
        return {**self.for_connection(), "metadata_max_age_ms": METADATA_MAX_AGE_MS}

    def for_connection(self) -> dict[str, Any]:
        """The same of a connection alone, and where to."""
        made: dict[str, Any] = {
            "bootstrap_servers": list(self.servers),
            "security_protocol": self.protocol,
            "ssl_context": self.ssl_context(),
        }
        if self.login is not None:
            made["sasl_mechanism"] = self.login.mechanism
            made["sasl_plain_username"] = self.login.user
            made["sasl_plain_password"] = self.login.password
        return made

    def for_faststream(self) -> BaseSecurity:
        """The same, without the addresses, as FastStream's brokers take it."""
        if self.login is None:
            return BaseSecurity(self.ssl_context(), use_ssl=self.tls)
        return _SASL[self.login.mechanism](self.login.user, self.login.password, self.ssl_context(), use_ssl=self.tls)
