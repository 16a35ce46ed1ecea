"""The compose files and what goes with them: complete, hardened, without a secret of its own."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import kafka_secrets
from deploy.acls import USERS
from deploy.local import secrets
from deploy.local.endpoints import ROLES
from deploy.local.home import Home
from deploy.local.ports import Ports
from services.pool_matching.settings import PoolMatchingSettings
from shared.roles import Role
from shared.settings import KafkaSettings
from shared.web.http_limits import HttpLimits
from tests.deploy.processes import PROCESSES, keys, known, required, user_of
from tests.deploy.processes import ROLES as ROLES_OF

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose"
NGINX = (COMPOSE / "nginx" / "nginx.conf").read_text()
ONCE = {"topics", "operator", "migrations", "migrations-after"}
"""Those that end when they have done what they are for."""
SERVERS = {"kafka", "postgres", "valkey", "mailpit"}
FILES = (
    ROOT / "docker-compose.yml",
    ROOT / "docker-compose.own-servers.yml",
    *(path for path in COMPOSE.glob("*.yml")),
)
OWN_FILES = (FILES[1], COMPOSE / "processes.yml")
Parts = dict[str, dict[str, Any]]


def parts(path: Path) -> Parts:
    """The containers of a file, each on top of the one that it extends."""
    found: Parts = yaml.safe_load(path.read_text())["services"]
    return {name: _extended(service, found) for name, service in found.items()}


def _extended(service: dict[str, Any], beside: Parts) -> dict[str, Any]:
    if "extends" not in service:
        return service
    extends = service["extends"]
    if isinstance(extends, str):
        base = _extended(beside[extends], beside)
    else:
        base = parts(ROOT / extends["file"])[extends["service"]]
    environment = base.get("environment", {}) | service.get("environment", {})
    return base | service | {"environment": environment}


PROCESSES_FILE = parts(COMPOSE / "processes.yml")
SERVICES = parts(ROOT / "docker-compose.yml")
OWN_SERVERS = parts(ROOT / "docker-compose.own-servers.yml")


def test_each_part_is_there() -> None:
    assert set(SERVICES) == {*PROCESSES, *SERVERS, *ONCE, "edge"}


@pytest.mark.parametrize("parts", [SERVICES, OWN_SERVERS], ids=["with-servers", "own-servers"])
@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_told_what_it_needs_and_no_secret_more(name: str, parts: Parts) -> None:
    module, settings = PROCESSES[name]
    environment = parts[name]["environment"]
    told = {variable for variable in environment if variable.startswith("FAIRPOOL_")}
    assert parts[name]["command"] == [module]
    service, role = ROLES_OF[name]
    assert required(settings, role) - told == set()
    assert told - known(settings) == set()
    assert keys(told) == keys(required(settings, role))
    assert environment["FAIRPOOL_HTTP_PORT"] == Ports().named()[service.replace("-", "_")]
    assert environment["FAIRPOOL_ROLE"] == role


TRUSTED = "FAIRPOOL_TRUSTED_PROXIES"


@pytest.mark.parametrize("name", PROCESSES)
def test_where_a_request_comes_from_is_the_edge_s_to_say_and_nobody_s_without_it(name: str) -> None:
    assert SERVICES[name]["environment"][TRUSTED].startswith(f"${{{TRUSTED}-10.")
    direct = parts(COMPOSE / "direct.yml")
    assert direct[ROLES_OF[name][0]]["environment"][TRUSTED] == ""
    assert "X-Forwarded-For $remote_addr;" in NGINX


def test_what_compose_passes_on_are_the_limits_of_the_settings() -> None:
    environment = PROCESSES_FILE["pool-matching"]["environment"]
    limits = {name: str(value) for name, value in environment.items() if name.startswith("FAIRPOOL_HTTP_")}
    del limits["FAIRPOOL_HTTP_PORT"]
    assert len(limits) >= 3
    for name, value in limits.items():
        default = PoolMatchingSettings.model_fields[name.removeprefix("FAIRPOOL_").lower()].default
        assert value == f"${{{name}:-{default}}}"


def test_the_edge_lets_through_what_the_services_allow_and_no_more_streams() -> None:
    limits = HttpLimits()
    assert f"limit_conn streams {limits.tenant_streams};" in NGINX
    assert f"client_header_timeout {limits.head_within.total_seconds():.0f}s;" in NGINX
    assert f"client_body_timeout {limits.body_within.total_seconds():.0f}s;" in NGINX
    ((number, kib),) = re.findall(r"large_client_header_buffers (\d+) (\d+)k;", NGINX)
    assert int(number) * int(kib) * 1024 == limits.head_bytes
    (connections,), (files,) = (re.findall(rf"{name} (\d+);", NGINX) for name in ("worker_connections", "nofile"))
    assert PROCESSES_FILE["edge"]["ulimits"] == {"nofile": int(files)}
    assert int(files) >= 2 * int(connections)


@pytest.mark.parametrize("line", re.findall(r"'(\{.*\})'", NGINX))
def test_each_answer_of_the_edge_itself_is_a_problem_that_says_what_to_do(line: str) -> None:
    problem = json.loads(line)
    assert {"type", "title", "status", "detail"} == set(problem)
    assert f"{problem['status']} " in NGINX


def _secrets_used(path: Path) -> dict[str, set[str]]:
    """Each secret that the file names, and how: `` as it is, `:?` or it must be there."""
    used: dict[str, set[str]] = {}
    for name, how in re.findall(r"\$\{(\w+_KEY(?!S)|\w*PASSWORD|\w+_DATABASE)(:?[-?])?", path.read_text()):
        used.setdefault(name, set()).add(how)
    return used


def named_by_those_beneath(path: Path) -> set[str]:
    """An override is never alone: what the files beneath it ask for, is there."""
    overrides = {"direct.yml": OWN_FILES, "demo-kafka.yml": FILES[:1]}.get(path.name, ())
    return {name for beneath in overrides for name, how in _secrets_used(beneath).items() if ":?" in how}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_secret_has_a_default(path: Path) -> None:
    used = _secrets_used(path)
    imported = used.pop("FAIRPOOL_VAULT_KEY", {":-"})  # of an older deployment; a new one has none
    assert imported == {":-"}
    assert {name for name, how in used.items() if how - {"", ":?"}} == set()
    # its absence is named before anything starts
    assert {name for name, how in used.items() if ":?" not in how} - named_by_those_beneath(path) == set()


def test_one_command_makes_every_secret() -> None:
    both = (ROOT / "docker-compose.yml", COMPOSE / "processes.yml")
    wanted = {name for path in both for name in re.findall(r"\$\{(\w+):\?", path.read_text())}
    assert {
        *secrets.fresh_keys(),
        "POSTGRES_PASSWORD",
        *(f"POSTGRES_{role.upper()}_PASSWORD" for role in ROLES),
        "VALKEY_PASSWORD",
        *kafka_secrets.passwords(),
        *kafka_secrets.of_broker(),
    } == wanted


HARDENED = [
    *SERVICES.items(),
    *PROCESSES_FILE.items(),
    *OWN_SERVERS.items(),
    *parts(COMPOSE / "prometheus.yml").items(),
]


@pytest.mark.parametrize(("name", "service"), HARDENED)
def test_it_may_do_nothing_that_it_need_not(name: str, service: dict[str, Any]) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    assert service.get("read_only", False) is (name != "kafka")


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONCE))
def test_it_says_when_it_is_healthy_and_comes_back(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"]


def test_everything_starts_in_order() -> None:
    """`up --wait` takes a container that has ended for a failure, unless somebody waits for that end."""
    for name in PROCESSES:
        conditions = {other: how["condition"] for other, how in SERVICES[name]["depends_on"].items()}
        assert conditions["topics"] == "service_completed_successfully"
        assert conditions["migrations"] == "service_completed_successfully"
        assert {conditions[other] for other in set(conditions) - ONCE} == {"service_healthy"}
        needs = {"FAIRPOOL_REDIS": "valkey", "FAIRPOOL_SMTP": "mailpit", "FAIRPOOL_KAFKA": "kafka"}
        assert {server for variable, server in needs.items() if variable in SERVICES[name]["environment"]} <= set(
            conditions
        )
    assert set(SERVICES["edge"]["depends_on"]) == set(PROCESSES)


@pytest.mark.parametrize("parts", [PROCESSES_FILE, SERVICES, OWN_SERVERS], ids=["base", "with-servers", "own-servers"])
def test_what_can_be_scaled_publishes_no_port(parts: Parts) -> None:
    assert [name for name in PROCESSES if "ports" in parts[name] or "container_name" in parts[name]] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_ports_are_open_to_this_machine_alone(path: Path) -> None:
    published = [port for service in parts(path).values() for port in service.get("ports", ())]
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


CALLED = {
    name: PROCESSES_FILE[name]["environment"]["FAIRPOOL_HTTP_PORT"]
    for name, (_, role) in ROLES_OF.items()
    if role is not Role.WORKER
}
"""Those with callers from outside, and their ports: nobody calls a worker."""


def test_the_edge_knows_each_service_and_its_port() -> None:
    for name, port in CALLED.items():
        assert f" {name}:{port};" in NGINX
        assert f"listen {port};" in NGINX
    assert len(re.findall(r"^\s+listen \d+;", NGINX, re.MULTILINE)) == len(set(CALLED.values()))
    assert {f"{name}:{port}" for name, port in CALLED.items()} == set(
        re.findall(r'^ +"~\^81[^"]*" (\S+);', NGINX, re.MULTILINE)
    )
    assert "access_log off;" in NGINX  # a path may hold a token
    first, last = min(CALLED.values()), max(CALLED.values())
    assert PROCESSES_FILE["edge"]["ports"] == [f"127.0.0.1:{first}-{last}:{first}-{last}"]


def test_a_frozen_container_costs_half_a_minute_and_a_stream_outlives_its_heartbeats() -> None:
    everywhere, stream = (int(seconds) for seconds in re.findall(r"proxy_read_timeout (\d+)s;", NGINX))
    place = NGINX.index("location = /v1/updates {")
    assert everywhere == 30
    assert NGINX.index("proxy_read_timeout 30s;") < place < NGINX.index(f"proxy_read_timeout {stream}s;")
    heartbeat = PoolMatchingSettings.model_fields["pool_matching_heartbeat"].default
    assert "FAIRPOOL_POOL_MATCHING_HEARTBEAT" not in PROCESSES_FILE["pool-matching"]["environment"]
    assert timedelta(seconds=stream) >= 3 * heartbeat
    assert "non_idempotent" not in NGINX  # what may have been acted on is never sent again


@pytest.mark.parametrize(
    ("path", "kept_back"),
    [
        ("/metrics", True),
        ("/metrics/", True),
        ("/health/ready", True),
        ("/health", True),
        ("/healthy", False),
        ("/docs", False),
        ("/v1/health", False),
    ],
)
def test_figures_and_health_are_kept_back_at_the_edge(path: str, *, kept_back: bool) -> None:
    (pattern,) = re.findall(r"location ~ (\S+) \{", NGINX)
    assert bool(re.search(pattern, path)) is kept_back


def test_only_the_demo_moves_the_clock() -> None:
    assert [path.name for path in FILES if "FAIRPOOL_CLOCK_FILE" in path.read_text()] == ["demo.yml"]
    moved = parts(COMPOSE / "demo.yml")
    assert set(moved) == set(PROCESSES)  # alone, so that it goes with servers of one's own as well
    for service in moved.values():
        (volume,) = service["volumes"]
        where, mode = volume.removeprefix("${FAIRPOOL_DEMO_HOME:-./.fairpool}:").split(":")
        assert service["environment"]["FAIRPOOL_CLOCK_FILE"] == f"{where}/{Home(Path()).clock_file.name}"
        assert mode == "ro"


def test_with_servers_of_ones_own_no_other_is_named_started_or_given_room() -> None:
    text = (ROOT / "docker-compose.own-servers.yml").read_text()
    assert set(OWN_SERVERS) == {*PROCESSES, *ONCE, "edge"}
    assert set(yaml.safe_load(text)["volumes"]) == {"vault-keys"}
    for name in PROCESSES:
        named = {
            variable: value
            for variable, value in OWN_SERVERS[name]["environment"].items()
            if variable.endswith(("KAFKA", "DATABASE", "REDIS", "SMTP"))
        }
        assert {variable for variable, value in named.items() if not value.startswith(f"${{{variable}")} == set()


WAY_IN = {f"FAIRPOOL_{name.upper()}" for name in KafkaSettings.model_fields}


@pytest.mark.parametrize("kept", [SERVICES, OWN_SERVERS], ids=["with-servers", "own-servers"])
def test_each_process_is_a_user_of_its_own_and_knows_no_other_s_password(kept: Parts) -> None:
    for name in (*PROCESSES, "operator"):
        user, told = ("operator" if name == "operator" else user_of(name)), kept[name]["environment"]
        assert set(told) >= WAY_IN, name
        assert told["FAIRPOOL_KAFKA_USER"] == user
        passwords = set(re.findall(r"\$\{(\w*KAFKA\w*PASSWORD)", " ".join(map(str, told.values()))))
        assert passwords == {secrets.kafka_password_of(user)}
    assert all("KAFKA_ADMIN" not in str(service) for name, service in kept.items() if name not in ("topics", "kafka"))


@pytest.mark.parametrize("kept", [SERVICES, OWN_SERVERS], ids=["with-servers", "own-servers"])
def test_topics_and_users_are_made_by_one_that_has_no_key_and_ends(kept: Parts) -> None:
    told = kept["topics"]["environment"]
    assert kept["topics"]["command"][:4] == ["deploy", "topics", "create", "--users"]
    assert set(told) >= WAY_IN | {secrets.kafka_password_of(user) for user in USERS}
    assert "${KAFKA_ADMIN_PASSWORD" in told["FAIRPOOL_KAFKA_PASSWORD"]
    assert not [name for name in told if name.endswith("_KEY")]


def test_kafka_asks_everybody_who_they_are() -> None:
    for told in (SERVICES["kafka"]["environment"], parts(COMPOSE / "demo-kafka.yml")["kafka"]["environment"]):
        listeners = re.findall(r"(\w+)://([^:,]*):", told["KAFKA_LISTENERS"])
        protocols = dict(
            re.findall(r"(\w+):(\w+)", SERVICES["kafka"]["environment"]["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"])
        )
        assert {protocols[name] for name, host in listeners if host != "127.0.0.1"} == {"SASL_SSL"}
        assert {protocols[name] for name, _ in listeners} <= {"SASL_SSL", "SASL_PLAINTEXT"}


def test_a_kafka_that_asks_nobody_takes_a_file_of_its_own() -> None:
    nobody = parts(COMPOSE / "plain-kafka.yml")
    assert set(nobody) == {*PROCESSES, "topics", "operator"}
    for name, service in nobody.items():
        told = OWN_SERVERS[name]["environment"] | service["environment"]
        assert {variable for variable in WAY_IN if told[variable] == ""} == {
            f"FAIRPOOL_KAFKA_{name}" for name in ("MECHANISM", "USER", "PASSWORD")
        }
    assert "--users" not in nobody["topics"]["command"]


def test_without_the_edge_each_service_opens_its_own_port() -> None:
    assert OWN_SERVERS["edge"]["profiles"] == ["edge"]  # so its image is not fetched either
    direct = parts(COMPOSE / "direct.yml")
    alone = {service: PROCESSES_FILE[service]["environment"]["FAIRPOOL_HTTP_PORT"] for service, _ in ROLES_OF.values()}
    assert {name: one["ports"] for name, one in direct.items()} == {
        name: [f"127.0.0.1:{port}:{port}"] for name, port in alone.items()
    }
    everything = {name for name, one in direct.items() if one["environment"].get("FAIRPOOL_ROLE") == "all"}
    assert everything == {*alone} - {"courier"}
    for name in everything:
        told = set(OWN_SERVERS[name]["environment"]) | set(direct[name]["environment"])
        assert keys(told) == keys(required(PROCESSES[name][1], Role.ALL))
    # what the one container of a service does itself then, has no container of its own
    assert {name for name in PROCESSES if OWN_SERVERS[name].get("profiles") == ["edge"]} == {*PROCESSES} - {*alone}


def test_prometheus_asks_each_container_for_itself() -> None:
    text = (ROOT / "deploy/prometheus/compose.yml").read_text()
    (job,) = yaml.safe_load(text)["scrape_configs"]
    asked = {name: one["port"] for one in job["dns_sd_configs"] for name in one["names"]}
    assert asked == {name: PROCESSES_FILE[name]["environment"]["FAIRPOOL_HTTP_PORT"] for name in PROCESSES}
    assert job["job_name"] == "fairpool"  # as the alert rules name it
    assert job["relabel_configs"] == [{"source_labels": ["__meta_dns_name"], "target_label": "service"}]
    mounted = [volume.split(":")[0] for volume in parts(COMPOSE / "prometheus.yml")["prometheus"]["volumes"]]
    assert [path for path in mounted if path.startswith("./") and not (ROOT / path).is_file()] == []


def test_tables_are_migrated_by_a_container_that_knows_no_other_secret() -> None:
    databases = {f"FAIRPOOL_{role.upper()}_DATABASE" for role in ROLES}
    for kept in (SERVICES, OWN_SERVERS):
        for name, half in (("migrations", "--before"), ("migrations-after", "--after")):
            assert kept[name]["command"] == ["deploy", "migrate", half]
            assert set(kept[name]["environment"]) == databases
        assert kept["migrations-after"]["profiles"] == ["after"]  # by hand, when no older container runs


def test_each_service_gets_a_database() -> None:
    script = (COMPOSE / "postgres/10-databases.sh").read_text()
    assert f"for service in {' '.join(ROLES)}; do" in script
    assert {f"POSTGRES_{role.upper()}_PASSWORD" for role in ROLES} < set(SERVICES["postgres"]["environment"])
