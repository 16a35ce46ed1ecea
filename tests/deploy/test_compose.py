"""The compose files and what goes with them: complete, hardened, without a secret of its own."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local import secrets
from deploy.local.endpoints import ROLES
from deploy.local.home import Home
from deploy.local.ports import Ports
from services.pool_matching.settings import PoolMatchingSettings
from shared.roles import Role
from shared.settings import KafkaSettings
from shared.web.http_limits import HttpLimits
from tests.deploy.processes import PROCESSES, keys, known, required
from tests.deploy.processes import ROLES as ROLES_OF

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose"
NGINX = (COMPOSE / "nginx" / "nginx.conf").read_text()
ONCE = {"topics", "migrations", "migrations-after"}
"""Those that end when they have done what they are for."""
SERVERS = {"kafka", "postgres", "valkey", "mailpit"}
FILES = (
    ROOT / "docker-compose.yml",
    ROOT / "docker-compose.own-servers.yml",
    *(path for path in COMPOSE.glob("*.yml")),
)
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
    assert required(settings) - told == set()
    assert told - known(settings) == set()
    assert keys(told) == keys(required(settings))
    service, role = ROLES_OF[name]
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_secret_has_a_default(path: Path) -> None:
    may_be_missing = {"FAIRPOOL_KAFKA_PASSWORD"} if "own-servers" in path.name else set()  # a Kafka without logins
    used = {name: how for name, how in _secrets_used(path).items() if name not in may_be_missing}
    assert {name for name, how in used.items() if how - {"", ":?"}} == set()
    # its absence is named before anything starts
    assert {name for name, how in used.items() if ":?" not in how} == set()


def test_one_command_makes_every_secret() -> None:
    both = (ROOT / "docker-compose.yml", COMPOSE / "processes.yml")
    wanted = {name for path in both for name in re.findall(r"\$\{(\w+):\?", path.read_text())}
    assert {
        *secrets.fresh_keys(),
        "POSTGRES_PASSWORD",
        *(f"POSTGRES_{role.upper()}_PASSWORD" for role in ROLES),
        "VALKEY_PASSWORD",
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
    assert len(re.findall(r'^ +"~\^81', NGINX, re.MULTILINE)) == len(CALLED)
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
    assert "volumes" not in yaml.safe_load(text)
    for name in PROCESSES:
        named = {
            variable: value
            for variable, value in OWN_SERVERS[name]["environment"].items()
            if variable.endswith(("KAFKA", "DATABASE", "REDIS", "SMTP"))
        }
        assert {variable for variable, value in named.items() if not value.startswith(f"${{{variable}")} == set()


def test_the_way_into_ones_own_kafka_is_passed_on_whole() -> None:
    wanted = {f"FAIRPOOL_{name.upper()}" for name in KafkaSettings.model_fields}
    for name in (*PROCESSES, "topics"):
        assert wanted - set(OWN_SERVERS[name]["environment"]) == set()
    for name, service in SERVICES.items():  # this Kafka is in plain text, whatever .env says
        assert wanted & set(service.get("environment", {})) <= {"FAIRPOOL_KAFKA"}, name


def test_without_the_edge_each_service_opens_its_own_port() -> None:
    assert OWN_SERVERS["edge"]["profiles"] == ["edge"]  # so its image is not fetched either
    direct = parts(COMPOSE / "direct.yml")
    alone = {service: PROCESSES_FILE[service]["environment"]["FAIRPOOL_HTTP_PORT"] for service, _ in ROLES_OF.values()}
    assert {name: one["ports"] for name, one in direct.items()} == {
        name: [f"127.0.0.1:{port}:{port}"] for name, port in alone.items()
    }
    assert {name for name, one in direct.items() if one["environment"].get("FAIRPOOL_ROLE") == "all"} == {*alone} - {
        "courier"
    }
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
