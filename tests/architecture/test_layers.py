"""The import contracts of pyproject.toml hold here, and each of them has been seen to fail."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
LINT = Path(sys.executable).parent / "lint-imports"
SERVICES = ("services.consent", "services.outreach_gateway", "services.pool_matching", "services.signup")
ROOMS = ("__main__", "app", "jobs", "api", "handlers", "adapters", "settings", "ports", "decisions", "model")
COURIER_ROOMS = (*ROOMS, "sending")


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT, "--no-cache", "--config", "pyproject.toml"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Every room of every service as an empty module, under the contracts of this project."""
    text = (PROJECT / "pyproject.toml").read_text("utf-8")
    start = text.index("[tool.importlinter]")
    (tmp_path / "pyproject.toml").write_text(text[start:], "utf-8")
    modules = [f"{service}.{room}" for service in SERVICES for room in ROOMS]
    modules += [f"services.signup.courier.{room}" for room in COURIER_ROOMS]
    modules += ["services.signup.vault", "services.pool_matching.matching", "shared.clock", "deploy.tenants"]
    for module in modules:
        _write(tmp_path, module, "")
    return tmp_path


def _write(tree: Path, module: str, code: str) -> None:
    path = tree.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    for folder in path.relative_to(tree).parents[:-1]:
        (tree / folder / "__init__.py").touch()
    path.write_text(code, "utf-8")


def test_the_code_keeps_every_contract() -> None:
    done = _lint(PROJECT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_innocent_tree_keeps_every_contract(tree: Path) -> None:
    _write(tree, "services.consent.app", "from services.consent import api, handlers, adapters\nimport shared.clock\n")
    _write(tree, "services.consent.handlers", "from services.consent import ports, decisions, model\n")
    _write(tree, "services.signup.courier.adapters", "from services.signup import vault\n")
    done = _lint(tree)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("services.consent.handlers", "services.signup.model", "Services never import one another"),
        ("services.signup.courier.handlers", "services.consent.model", "Services never import one another"),
        ("shared.clock", "services.consent.model", "What is shared knows no service"),
        ("shared.clock", "deploy.tenants", "What is shared knows no service"),
        ("services.consent.app", "deploy.tenants", "Services do not know how they are deployed"),
        ("services.consent.decisions", "services.consent.ports", "Each service has the same rooms"),
        ("services.consent.ports", "services.consent.adapters", "Each service has the same rooms"),
        ("services.pool_matching.handlers", "services.pool_matching.adapters", "Each service has the same rooms"),
        ("services.outreach_gateway.api", "services.outreach_gateway.adapters", "Each service has the same rooms"),
        ("services.signup.model", "services.signup.vault", "Each service has the same rooms"),
        ("services.consent.helpers", "services.consent.model", "Each service has the same rooms"),
        ("services.signup.courier.handlers", "services.signup.courier.adapters", "The courier has the same rooms"),
        ("services.signup.courier.helpers", "services.signup.courier.model", "The courier has the same rooms"),
        ("services.signup.courier.app", "services.signup.handlers", "Of signup the courier knows the vault alone"),
        ("services.signup.handlers", "services.signup.courier.model", "Signup does not know the courier"),
        ("services.consent.decisions", "asyncio", "Decisions and models are plain Python"),
        ("services.outreach_gateway.model", "redis", "Decisions and models are plain Python"),
        ("services.signup.courier.decisions", "asyncpg", "Decisions and models are plain Python"),
    ],
)
def test_a_contract_is_seen_to_fail(tree: Path, module: str, imported: str, contract: str) -> None:
    _write(tree, module, f"import {imported}\n")
    done = _lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    [broken] = [line for line in done.stdout.splitlines() if line.endswith("BROKEN") and line.startswith(contract)]
    assert broken


def test_a_detour_over_shared_is_seen_as_well(tree: Path) -> None:
    _write(tree, "shared.detour", "import asyncpg\n")
    _write(tree, "services.consent.model", "import shared.detour\n")
    assert "Decisions and models are plain Python BROKEN" in _lint(tree).stdout


def test_every_service_is_under_every_contract_for_services() -> None:
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    there = {f"services.{path.parent.name}" for path in (PROJECT / "services").glob("*/app.py")}
    assert there == set(SERVICES)
    assert [set(one["modules"]) for one in contracts if one["type"] == "independence"] == [there]
    assert there | {"services.signup.courier"} == {
        container for one in contracts if one["type"] == "layers" for container in one["containers"]
    }
    assert all(one["exhaustive"] for one in contracts if one["type"] == "layers")
