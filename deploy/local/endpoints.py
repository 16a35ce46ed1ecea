"""Where Kafka, PostgreSQL, Redis and mail are: on this machine, unless the environment names others."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.local import postgres, redis
from deploy.local.broker import Broker
from deploy.local.ports import HOST, Ports
from deploy.local.secrets import LocalSecrets, kafka_password_of
from shared.messaging.kafka import Kafka
from shared.settings import PREFIX, KafkaSettings, load

ROLES = ("signup", "consent", "pool_matching", "outreach_gateway")
"""Each service's database, and the role of the same name that owns it."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """How the services reach the servers, and which servers are ours to start."""

    kafka: str
    redis: str
    smtp: str
    databases: Mapping[str, str] = field(repr=False)
    administrator: str = field(repr=False)
    """Empty when every database is somebody else's."""
    local: frozenset[str]
    """The servers to start here, by the name of their port."""
    local_databases: tuple[str, ...]

    @property
    def cluster(self) -> Kafka:
        """Kafka, as clients take it."""
        return reach(self.kafka)

    def security(self, process: str) -> dict[str, str]:
        """What a process is told of the way into Kafka: the environment's, and nothing where Kafka is ours.

        Where the environment has a password of this process as a user of its own, it gets that one.
        """
        names = [PREFIX + name.upper() for name in KafkaSettings.model_fields if name != "kafka"]
        if "kafka" in self.local:
            return dict.fromkeys(names, "")
        told = {name: os.environ.get(name, "") for name in names}
        if own := os.environ.get(kafka_password_of(process)):
            login = {"MECHANISM": "SCRAM-SHA-512", "USER": process, "PASSWORD": own}
            told |= {f"{PREFIX}KAFKA_{name}": value for name, value in login.items()}
        return told

    def idempotence(self, broker: Broker) -> str:
        """Whether producers may be idempotent, as the environment has it; somebody else's Kafka may say so itself."""
        here = "kafka" in self.local
        return str(broker.nature.idempotence).lower() if here else os.environ.get("FAIRPOOL_KAFKA_IDEMPOTENCE", "true")

    def fetch_wait(self, broker: Broker) -> str:
        """How long Kafka may hold a fetch, as the environment has it; somebody else's Kafka is taken for one that a record wakes."""
        here = "kafka" in self.local
        return broker.nature.fetch_wait if here else os.environ.get("FAIRPOOL_KAFKA_FETCH_WAIT", "PT1S")

    def fetch_wait_busy(self, broker: Broker) -> str:
        """The same for a reader that records came for lately."""
        here = "kafka" in self.local
        return broker.nature.fetch_wait_busy if here else os.environ.get("FAIRPOOL_KAFKA_FETCH_WAIT_BUSY", "PT1S")


def reach(kafka: str) -> Kafka:
    """The Kafka at this address: if the environment names it, then secured as the environment says, else in plain text."""
    return secured(kafka) if kafka == os.environ.get("FAIRPOOL_KAFKA") else Kafka.plain(kafka)


def secured(kafka: str) -> Kafka:
    """The Kafka at this address, secured as the environment says; exits with 78 where that is wrong."""
    return load(KafkaSettings, kafka=kafka).cluster


def resolve(ports: Ports, secrets: LocalSecrets) -> Endpoints:
    """Take what the environment names; the rest is local."""
    kafka, redis_url, smtp = (os.environ.get(f"FAIRPOOL_{name}") for name in ("KAFKA", "REDIS", "SMTP"))
    given = {role: os.environ.get(f"FAIRPOOL_{role.upper()}_DATABASE") for role in ROLES}
    ours = tuple(role for role, value in given.items() if not value)
    needed = {"kafka": not kafka, "redis": not redis_url, "smtp": not smtp, "mail": not smtp, "postgres": bool(ours)}
    return Endpoints(
        kafka=kafka or f"{HOST}:{ports.kafka}",
        redis=redis_url or redis.url(ports.redis),
        smtp=smtp or f"smtp://{HOST}:{ports.smtp}",
        databases={
            role: value or postgres.dsn(role, secrets.role_passwords[role], ports.postgres, role)
            for role, value in given.items()
        },
        administrator=postgres.dsn(postgres.ADMINISTRATOR, secrets.postgres_password, ports.postgres, "postgres")
        if ours
        else "",
        local=frozenset(name for name, wanted in needed.items() if wanted),
        local_databases=ours,
    )
