"""docker-compose.yml and what goes with it: complete, hardened, without a secret of its own."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local import secrets
from deploy.local.endpoints import ROLES
from deploy.local.home import Home
from deploy.local.ports import Ports
from tests.deploy.processes import PROCESSES, keys, known, required

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
SERVERS = {"kafka", "postgres", "valkey", "mailpit"}
OVERRIDES = {
    name: yaml.safe_load((ROOT / "deploy/compose" / name).read_text()) for name in ("demo.yml", "host-servers.yml")
}
ALL = [TEXT, *((ROOT / "deploy/compose" / name).read_text() for name in OVERRIDES)]


def test_each_part_is_there() -> None:
    assert set(SERVICES) == {*PROCESSES, *SERVERS, "topics", "edge"}


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_told_what_it_needs_and_no_secret_more(name: str) -> None:
    module, settings = PROCESSES[name]
    told = {variable for variable in SERVICES[name]["environment"] if variable.startswith("FAIRPOOL_")}
    assert SERVICES[name]["command"] == [module]
    assert required(settings) - told == set()
    assert told - known(settings) == set()
    assert keys(told) == keys(required(settings))
    assert SERVICES[name]["environment"]["FAIRPOOL_HTTP_PORT"] == Ports().named()[name.replace("-", "_")]


def test_signup_counts_by_where_people_come_from_and_not_by_the_proxy() -> None:
    assert SERVICES["signup"]["environment"]["FORWARDED_ALLOW_IPS"] == "*"
    assert "ports" not in SERVICES["signup"]
    assert "X-Forwarded-For $remote_addr;" in (ROOT / "deploy/compose/nginx/nginx.conf").read_text()


def test_no_secret_has_a_default() -> None:
    secret = re.compile(r"\$\{(\w+_KEY|\w*PASSWORD)(:?[-?][^}]*)?\}")
    used = {match[1]: set[str]() for text in ALL for match in secret.finditer(text)}
    for text in ALL:
        for match in secret.finditer(text):
            used[match[1]].add((match[2] or "")[:2])
    assert {name for name, ways in used.items() if ways - {"", ":?"}} == set()
    assert {
        name for name, ways in used.items() if ":?" not in ways
    } == set()  # its absence is named before anything starts


def test_one_command_makes_every_secret() -> None:
    wanted = set(re.findall(r"\$\{(\w+):\?", TEXT))
    assert {
        *secrets.fresh_keys(),
        "POSTGRES_PASSWORD",
        *(f"POSTGRES_{role.upper()}_PASSWORD" for role in ROLES),
        "VALKEY_PASSWORD",
    } == wanted


@pytest.mark.parametrize("name", SERVICES)
def test_it_may_do_nothing_that_it_need_not(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    assert service.get("read_only", False) is (name != "kafka")


@pytest.mark.parametrize("name", set(SERVICES) - {"topics"})
def test_it_says_when_it_is_healthy_and_comes_back(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"]


def test_everything_starts_in_order() -> None:
    """`up --wait` takes a container that has ended for a failure, unless somebody waits for that end."""
    for name in PROCESSES:
        conditions = {other: how["condition"] for other, how in SERVICES[name]["depends_on"].items()}
        assert conditions["topics"] == "service_completed_successfully"
        assert {conditions[other] for other in set(conditions) - {"topics"}} == {"service_healthy"}
        needs = {"FAIRPOOL_REDIS": "valkey", "FAIRPOOL_SMTP": "mailpit", "FAIRPOOL_KAFKA": "kafka"}
        assert {server for variable, server in needs.items() if variable in SERVICES[name]["environment"]} <= set(
            conditions
        )
    assert set(SERVICES["edge"]["depends_on"]) == set(PROCESSES)


def test_what_can_be_scaled_publishes_no_port() -> None:
    assert [name for name in PROCESSES if "ports" in SERVICES[name] or "container_name" in SERVICES[name]] == []


def test_ports_are_open_to_this_machine_alone() -> None:
    published = [
        port
        for one in (SERVICES, OVERRIDES["demo.yml"]["services"])
        for service in one.values()
        for port in service.get("ports", ())
    ]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_the_edge_knows_each_process_and_its_port() -> None:
    text = (ROOT / "deploy/compose/nginx/nginx.conf").read_text()
    ports = {name: SERVICES[name]["environment"]["FAIRPOOL_HTTP_PORT"] for name in PROCESSES}
    for name, port in ports.items():
        assert f"{port} {name}:{port};" in text
        assert f"listen {port};" in text
    assert "access_log off;" in text  # a path may hold a token
    assert SERVICES["edge"]["ports"] == [
        f"127.0.0.1:{min(ports.values())}-{max(ports.values())}:{min(ports.values())}-{max(ports.values())}"
    ]


def test_only_the_demo_moves_the_clock() -> None:
    assert "FAIRPOOL_CLOCK_FILE" not in TEXT
    moved = {name: service for name, service in OVERRIDES["demo.yml"]["services"].items() if name in PROCESSES}
    assert set(moved) == set(PROCESSES)
    for service in moved.values():
        (volume,) = service["volumes"]
        where, mode = volume.removeprefix("${FAIRPOOL_DEMO_HOME:-./.fairpool}:").split(":")
        assert service["environment"]["FAIRPOOL_CLOCK_FILE"] == f"{where}/{Home(Path()).clock_file.name}"
        assert mode == "ro"


def test_servers_of_ones_own_take_the_place_of_all_that_are_started() -> None:
    override = OVERRIDES["host-servers.yml"]["services"]
    assert set(override) == set(SERVICES) - {"edge"}
    servers = ("KAFKA", "POSTGRES", "REDIS", "SMTP")
    for name in PROCESSES:
        told = {**SERVICES[name]["environment"], **override[name]["environment"]}
        elsewhere = {
            variable for variable in told if any(word in variable for word in ("KAFKA", "DATABASE", "REDIS", "SMTP"))
        }
        assert {
            v for v in elsewhere - {"FAIRPOOL_KAFKA_IDEMPOTENCE"} if not any(f"HOST_{s}" in told[v] for s in servers)
        } == set()


def test_each_service_gets_a_database() -> None:
    script = (ROOT / "deploy/compose/postgres/10-databases.sh").read_text()
    assert f"for service in {' '.join(ROLES)}; do" in script
    assert {f"POSTGRES_{role.upper()}_PASSWORD" for role in ROLES} < set(SERVICES["postgres"]["environment"])
