"""All connections of the documented deployments together, while each of their parts is being replaced, fit into PostgreSQL."""

import re
from pathlib import Path
from typing import Any

import pytest

from deploy.local.endpoints import ROLES as DATABASES
from shared.roles import CONNECTIONS
from tests.deploy.processes import PROCESSES, ROLES
from tests.deploy.test_compose import SERVICES
from tests.deploy.test_kubernetes import DEPLOYMENTS, JOBS, OVERLAY, container, environment

DOCUMENT = (Path(__file__).parents[2] / "docs" / "running.md").read_text()
_NAME = "FAIRPOOL_DATABASE_CONNECTIONS"
RESERVED = 3 + 5
"""Those of superusers, which PostgreSQL keeps for itself, and a few for whoever looks at it by hand."""


def _stated(where: str) -> int:
    (found,) = re.findall(rf"{where}[^|\n]*\|[^|\n]*\| \*\*(\d+)\*\*", DOCUMENT)
    return int(found)


def _of(name: str, told: dict[str, Any]) -> int:
    return int(told.get(_NAME) or CONNECTIONS[ROLES[name][1]])


def test_compose_stays_under_what_its_postgresql_takes_with_each_container_twice() -> None:
    (allowed,) = re.findall(r"max_connections=(\d+)", " ".join(SERVICES["postgres"]["command"]))
    wanted = sum(_of(name, SERVICES[name]["environment"]) for name in PROCESSES)
    assert _stated("compose") == int(allowed)
    assert 2 * wanted + len(DATABASES) + RESERVED <= int(allowed)


def test_kubernetes_stays_under_what_is_asked_for_while_every_deployment_is_replaced() -> None:
    more = {one["name"]: int(one["count"]) for one in OVERLAY["replicas"]}
    wanted = 0
    for name, deployment in DEPLOYMENTS.items():
        replicas = more.get(name, deployment["spec"]["replicas"])
        surge = deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        wanted += (replicas + surge) * _of(name, environment(deployment))
    wanted += sum(len(DATABASES) for job in JOBS.values() if "migrate" in container(job)["args"])
    assert wanted + RESERVED <= _stated("Kubernetes")


@pytest.mark.parametrize("role", CONNECTIONS)
def test_the_document_says_what_each_role_takes(role: str) -> None:
    assert re.search(rf"^\| `{role}` \|.*\| {CONNECTIONS[role]} \|$", DOCUMENT, re.MULTILINE)  # type: ignore[index]  # a StrEnum
