"""The roles of a service do together what one process of it does, and nothing twice that is not everybody's."""

import importlib
import inspect
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from shared.roles import Role
from shared.settings import EX_CONFIG, load
from tests.architecture.test_subscriptions import ENVIRONMENT, PROCESSES

OF_PEOPLE = {
    "consent": {"/confirm/{token}", "/me", "/me/messages", "/me/messages/{outreach}/next", "/me/told", "/u/{token}"},
    "signup": {
        "/join",
        "/join/file",
        "/sign-in",
        "/profile/{token}",
        "/profile/{token}/proposals/{proposal}",
        "/me/profile",
        "/me/profile/file",
        "/me/profile/proposals/{proposal}",
        "/me/data",
        "/me/job",
        "/me/export",
        "/me/export/zip",
        "/j/{token}",
        "/refuse/{token}",
        "/erase/{token}",
        "/me/erase",
        "/me/sessions",
        "/me/email",
        "/recover",
        "/email/{token}",
        "/recovery/{token}",
        "/sign-in/{token}",
        "/erased/keys",
        "/erased/{opening}",
    },
}
"""What the roles `pages` are for."""
EVERYWHERE = {"epochs", "read_back", "titles"}
"""Jobs of each process: a doubt about what its own relay sent is noted by itself, and lists of titles
and the keys of the vault's epochs are kept in memory."""

OF_EDGES = {"tailer of outreach", "tailer of told", "tailer of updates"}
"""What readers are answered from."""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(f"FAIRPOOL_{name}", value)


def _settings(name: str) -> Any:
    build = importlib.import_module(f"{PROCESSES[name]}.app").build
    return inspect.signature(build).parameters["settings"].annotation


def _build(name: str, role: Role) -> tuple[Any, FastAPI]:
    built: tuple[Any, FastAPI] = importlib.import_module(f"{PROCESSES[name]}.app").build(_settings(name)(role=role))
    return built


def _routes(app: FastAPI) -> set[str]:
    return set(app.openapi()["paths"])


def _jobs(service: Any) -> set[str]:
    return {name for name, _ in service.parts.jobs}


@cache
def _by_role(name: str) -> Mapping[Role, tuple[Any, FastAPI]]:
    return {role: _build(name, role) for role in sorted(_settings(name).ROLES)}


@pytest.mark.parametrize("name", PROCESSES)
def test_the_roles_together_offer_and_do_what_one_process_does(name: str) -> None:
    built = _by_role(name)
    whole, app = built[Role.ALL]
    apart = {role: one for role, one in built.items() if role is not Role.ALL}
    assert set().union(*(_routes(own) for _, own in apart.values())) == _routes(app)
    assert set().union(*(_jobs(service) for service, _ in apart.values())) == _jobs(whole)
    assert set().union(*(service.parts.checks for service, _ in apart.values())) == set(whole.parts.checks)


@pytest.mark.parametrize("name", sorted(set(PROCESSES) - {"courier"}))
def test_no_route_of_programs_or_people_is_in_two_roles_and_none_in_a_worker(name: str) -> None:
    built = {role: (service, _routes(app)) for role, (service, app) in _by_role(name).items()}
    common = built[Role.WORKER][1]
    assert not [path for path in common if path.startswith("/v1/")]
    edge = built[Role.EDGE][1] - common
    assert edge, "programs call it"
    assert all(path.startswith("/v1/") for path in edge)
    if Role.PAGES in built:
        assert built[Role.PAGES][1] - common == OF_PEOPLE[name]


@pytest.mark.parametrize("name", OF_PEOPLE)
def test_an_ingress_is_told_of_every_page(name: str) -> None:
    """The longest prefix of any row passes a path on, as in an Ingress, and it is of the row of this service's pages."""
    table = (Path(__file__).parents[2] / "docs/running.md").read_text().partition("pass on these paths alone")[2]
    rows = dict(re.findall(r"(?m)^\| `([a-z-]+)`.*? \| (.+) \|$", table))
    passed = {prefix: row for row, paths in rows.items() for prefix in re.findall(r"`(/[^`]*)`", paths)}

    def passes_on(path: str) -> str | None:
        fit = [one for one in passed if path == one or (one != "/" and path.startswith(f"{one}/"))]
        return passed[max(fit, key=len)] if fit else None

    assert {path: passes_on(path) for path in OF_PEOPLE[name]} == dict.fromkeys(OF_PEOPLE[name], f"{name}-pages")


@pytest.mark.parametrize("name", sorted(set(PROCESSES) - {"courier"}))
def test_only_a_worker_has_the_work_that_nobody_waits_for(name: str) -> None:
    for role, (service, _) in _by_role(name).items():
        allowed = EVERYWHERE | (OF_EDGES if role.has(Role.EDGE) else set())
        assert _jobs(service) <= allowed or role.has(Role.WORKER), role
        assert service.parts.has(Role.WORKER) is role.has(Role.WORKER)


@pytest.mark.parametrize(
    ("name", "role"), [("courier", "edge"), ("pool_matching", "pages"), ("outreach_gateway", "pages")]
)
def test_a_role_that_a_service_does_not_have_is_named(
    name: str, role: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIRPOOL_ROLE", role)
    with pytest.raises(SystemExit) as ended:
        load(_settings(name))
    assert ended.value.code == EX_CONFIG
    assert "FAIRPOOL_ROLE: expected one of all, " in capsys.readouterr().err
