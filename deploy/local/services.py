"""Fairpool's own processes as parts: what each is told, and nothing that it has no need of."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from deploy.local import processes
from deploy.local.broker import Broker
from deploy.local.endpoints import Endpoints
from deploy.local.home import Home
from deploy.local.parts import Part, answers_http
from deploy.local.ports import HOST, Ports, free_ports
from deploy.local.processes import Command
from deploy.local.secrets import OLD_VAULT_KEY, VERIFY_KEYS, signing_key_of
from shared.contracts.topics import signer_of
from shared.messaging.signatures import Signatures

PROJECT = Path(__file__).resolve().parents[2]
_PREFIX = "FAIRPOOL_"
_AT_ONCE = {"FAIRPOOL_DRAIN_FOR": "PT0S"}
"""Nobody spreads requests here, so nobody has to notice that a process stops; the environment may say otherwise."""
TICK = "FAIRPOOL_TICK"
SHORT_TICKS = {TICK: "PT15S"}
"""Nobody wants to wait a day here; the environment may say otherwise."""
_TRIES_MUCH = {"FAIRPOOL_POOLS_ASKED_PER_DAY": "1000"}
"""Who tries things out makes many pools a day; the environment may say otherwise."""

_OPERATOR = {
    "FAIRPOOL_OPERATOR_NAME": "somebody trying it out on this machine",
    "FAIRPOOL_OPERATOR_ADDRESS": "1 Example Street, Denver, CO 80202 (invented)",
    "FAIRPOOL_CONTACT_EMAIL": "operator@fairpool.example",
}


@dataclass(frozen=True, slots=True)
class _Process:
    """A process, its module, the database it uses and the secrets it may know."""

    name: str
    module: str
    database: str
    secrets: tuple[str, ...]


_LINKS = ("LINK_VERIFY_KEY", "LINK_SUBJECT_KEY")
"""Of processes that read links."""
_PROCESSES = (
    _Process("signup", "services.signup", "signup", ("BLIND_INDEX_KEY", *_LINKS)),
    _Process("consent", "services.consent", "consent", (*_LINKS, "CONSENT_SEAL_KEYS")),
    _Process(
        "pool_matching", "services.pool_matching", "pool_matching", ("MEMBER_REF_KEY", "TICK_KEY", "CONSENT_SEAL_KEYS")
    ),
    _Process(
        "outreach_gateway",
        "services.outreach_gateway",
        "outreach_gateway",
        ("MEMBER_REF_KEY", "OUTREACH_ID_KEY", "TICK_KEY", "CONSENT_SEAL_KEYS"),
    ),
    _Process(
        "courier",
        "services.signup.courier",
        "signup",
        ("LINK_SIGNING_KEY", "LINK_SUBJECT_KEY", "CONSENT_SEAL_KEYS"),
    ),
)

NAMES = tuple(process.name for process in _PROCESSES)


def parts(
    home: Home,
    ports: Ports,
    broker: Broker,
    endpoints: Endpoints,
    keys: Mapping[str, str],
    replicas: Mapping[str, int] | None = None,
    *,
    signatures: Signatures = "require",
) -> list[Part]:
    """The four services and the courier; each is ready when its own `/health/ready` says so.

    `replicas` says how many of a process there are, if not one: the first has its name and port, the others are called
    `signup-2` and so on and take free ports.
    """
    common = {
        "FAIRPOOL_KAFKA": endpoints.kafka,
        "FAIRPOOL_KAFKA_IDEMPOTENCE": endpoints.idempotence(broker),
        "FAIRPOOL_KAFKA_FETCH_WAIT": endpoints.fetch_wait(broker),
        "FAIRPOOL_KAFKA_FETCH_WAIT_BUSY": endpoints.fetch_wait_busy(broker),
        "FAIRPOOL_REDIS": endpoints.redis,
        "FAIRPOOL_SMTP": endpoints.smtp,
        VERIFY_KEYS: keys[VERIFY_KEYS],
        "FAIRPOOL_SIGNATURES": signatures,
        "FAIRPOOL_WORDS_FORM": "hpke",
        "FAIRPOOL_HTTP_HOST": HOST,
        "FAIRPOOL_SIGNUP_URL": url(ports.signup),
        "FAIRPOOL_CONSENT_URL": url(ports.consent),
        "FAIRPOOL_CLOCK_FILE": str(home.clock_file),
        "PYTHONUNBUFFERED": "1",
    }
    made = []
    for name, port, process in _named(ports, replicas or {}):
        own = {
            **endpoints.security(process.name),
            "FAIRPOOL_HTTP_PORT": str(port),
            _PREFIX + f"{process.database}_DATABASE".upper(): endpoints.databases[process.database],
            **{_PREFIX + name: keys[_PREFIX + name] for name in process.secrets},
            **_vault(home, process, keys),
            "FAIRPOOL_SIGNING_KEY": keys[signing_key_of(signer_of(process.name))],
        }
        made.append(
            Part(
                name=name,
                command=Command(
                    (sys.executable, "-m", process.module),
                    _AT_ONCE | SHORT_TICKS | _TRIES_MUCH | _OPERATOR | processes.ambient() | common | own,
                    PROJECT,
                ),
                port=port,
                probe=answers_http(f"{url(port)}/health/ready"),
                lives=answers_http(f"{url(port)}/health/live"),
                stops_within=timedelta(seconds=15),
            )
        )
    return made


def _vault(home: Home, process: _Process, keys: Mapping[str, str]) -> dict[str, str]:
    """Where the vault's epoch keys are; and the one key of a home that is older than these, which signup imports."""
    if process.database != "signup":
        return {}
    older = {OLD_VAULT_KEY: keys[OLD_VAULT_KEY]} if process.name == "signup" and OLD_VAULT_KEY in keys else {}
    return {"FAIRPOOL_VAULT_KEYS": home.vault_keys.as_uri()} | older


def process_of(part: str) -> str:
    """The process that a part is, whichever replica: `signup` of `signup-2`."""
    return part.partition("-")[0]


def _named(ports: Ports, replicas: Mapping[str, int]) -> Iterator[tuple[str, int, _Process]]:
    taken = ports.named()
    more = {process.name: replicas.get(process.name, 1) - 1 for process in _PROCESSES}
    found = free_ports(
        sum(more.values()) + len(taken)
    )  # of those that nobody listens on yet, some are promised already
    free = iter([port for port in found if port not in taken.values()])
    for process in _PROCESSES:
        yield process.name, taken[process.name], process
        for number in range(2, more[process.name] + 2):
            yield f"{process.name}-{number}", next(free), process


def url(port: int) -> str:
    """The base URL of a port on this machine."""
    return f"http://{HOST}:{port}"
