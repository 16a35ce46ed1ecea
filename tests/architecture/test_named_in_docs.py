"""What a document names is there: settings and their defaults, routes, metrics, alerts, commands, files."""

import ast
import importlib
import importlib.util
import inspect
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from fastapi import APIRouter, FastAPI
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from starlette.routing import Route
from typer.core import TyperGroup

from deploy.cli import app as command_line
from shared.messaging.dead_letters import ADDED, SHORTENED
from shared.settings import PREFIX, ServiceSettings
from tests.architecture.test_subscriptions import ENVIRONMENT, PROCESSES

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "services", "shared", "deploy")
DOCUMENTS = [ROOT / "README.md", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.md")))]
EXAMPLE = ROOT / ".env.example"
CODE = [path for folder in (*FOLDERS, "tests") for path in (ROOT / folder).rglob("*.py")]
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))

SPAN = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SETTING = re.compile(r"\bFAIRPOOL_[A-Z_]*[A-Z]\b")
METRIC = re.compile(r"\bfairpool_[a-z_]*[a-z]\b")
ALERT = re.compile(r"\bFairpool[A-Z][A-Za-z]+\b")
ROUTE = re.compile(r"^((?:(?:GET|HEAD|OPTIONS|POST|PUT|PATCH|DELETE)[, ]*)*)(/[a-zA-Z.{][^\s`]*|/)$")
CALLED = re.compile(r"\$(SIGNUP|CONSENT|POOL_MATCHING|OUTREACH_GATEWAY)(/[^\s\"'`?]*)")
COMMAND = re.compile(r"(?<![\w./-])(?:\.venv/bin/)?fairpool ([a-z][^\n`|;&]*)")
SUBSTITUTED = re.compile(r"\$\(([^()]*)\)")
NOT_A_COMMAND = re.compile(r"(?:--rm|-t|-n|--namespace|name:) fairpool\b")
MAKE = re.compile(r"(?<![\w-])make ([a-z][a-z-]*)")
MODULE = re.compile(r"python3? -m ((?:services|shared|deploy)[\w.]*)")
FILE = re.compile(r"[\w.<>*-]+(?:/[\w.<>*-]+)*/?")
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)")
ENDINGS = (".py", ".sql", ".lua", ".md", ".toml", ".yml", ".yaml", ".csv", ".txt")
OF_A_MACHINE = ("/etc", "/tmp", "/usr", "/var")  # noqa: S108 - names of folders in documents


def code_in(document: Path) -> Iterator[str]:
    """What a document sets as code, span by span and line by line."""
    text = document.read_text()
    for block in BLOCK.findall(text):
        yield from block.splitlines()
    yield from SPAN.findall(BLOCK.sub("", text))


@cache
def settings() -> dict[str, FieldInfo]:
    """Every setting of every process."""
    found: dict[str, FieldInfo] = {}
    for path in sorted((ROOT / "services").rglob("settings.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, ServiceSettings):
                found |= {PREFIX + name.upper(): field for name, field in value.model_fields.items()}
    return found


@cache
def constants() -> set[str]:
    """Every name of the environment that code or a file of the deployment spells out."""
    files = [*CODE, ROOT / "Makefile", *(path for path in (ROOT / "deploy").rglob("*.y*ml")), *ROOT.glob("*.yml")]
    return {name for path in files if path != Path(__file__) for name in SETTING.findall(path.read_text())}


@pytest.mark.parametrize("document", [*DOCUMENTS, EXAMPLE], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_that_is_named_is_read(document: Path) -> None:
    assert set(SETTING.findall(document.read_text())) - settings().keys() - constants() == set()


def test_the_example_of_the_environment_shows_the_defaults() -> None:
    shown = dict(re.findall(r"^(FAIRPOOL_[A-Z_]+)=(.+)$", EXAMPLE.read_text(), re.MULTILINE))
    wrong = {}
    for name, text in shown.items():
        field = settings()[name]
        if field.is_required():
            continue
        annotation: Any = field.annotation
        kind: TypeAdapter[Any] = TypeAdapter(annotation)
        if (found := kind.validate_python(text)) != field.get_default():
            wrong[name] = (found, field.get_default())
    assert wrong == {}


@each_document
def test_a_setting_whose_length_is_told_is_so_long(document: Path) -> None:
    told = re.findall(r"`(FAIRPOOL_[A-Z_]+)` \((\d+) s\)", document.read_text())
    told += [(name, length) for length, name in re.findall(r"(\d+) s \(`(FAIRPOOL_[A-Z_]+)`", document.read_text())]
    known = settings()
    assert [(name, length) for name, length in told if known[name].get_default().total_seconds() != int(length)] == []


@pytest.fixture(scope="module")
def routes() -> dict[str, set[tuple[str, str]]]:
    """By process, every method and path; parameters go by no name."""
    found = {}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in ENVIRONMENT.items():
            environment.setenv(f"FAIRPOOL_{name}", value)
        for process, package in PROCESSES.items():
            build = importlib.import_module(f"{package}.app").build
            _, app = build(inspect.signature(build).parameters["settings"].annotation())
            found[process] = set(_routes(app))
    return found


def _routes(part: FastAPI | APIRouter) -> Iterator[tuple[str, str]]:
    for route in part.routes:
        if isinstance(route, Route):
            for method in route.methods or ():
                yield method, _bare(route.path)
        elif (included := getattr(route, "original_router", None)) is not None:
            yield from _routes(included)


def _bare(path: str) -> str:
    """`/v1/pools/{pool}?x=` as `/v1/pools/{}`."""
    return re.sub(r"\{[^}]*\}|\$\{?\w+(##\*/)?\}?", "{}", path.partition("?")[0].removesuffix("...")).rstrip("/") or "/"


def unknown_routes(methods: str, path: str, known: set[tuple[str, str]]) -> list[str]:
    """What is not there of these methods of a path; without a method it may also be the beginning of one."""
    bare = _bare(path)
    asked = re.findall(r"[A-Z]+", methods)
    if not asked:
        there = any(one == bare or one.startswith(f"{bare.rstrip('/')}/") for _, one in known)
        return [] if there else [path]
    return [f"{method} {path}" for method in asked if method not in ("HEAD", "OPTIONS") and (method, bare) not in known]


@pytest.mark.parametrize(
    ("methods", "path", "wrong"),
    [
        ("GET, POST ", "/me?token=", []),
        ("DELETE ", "/me", ["DELETE /me"]),
        ("", "/v1", []),
        ("", "/v1/pools/{id}", []),
        ("", "/v2", ["/v2"]),
        ("GET ", "/v1", ["GET /v1"]),
    ],
)
def test_the_rule_about_routes_can_fail(methods: str, path: str, wrong: list[str]) -> None:
    known = {("GET", "/me"), ("POST", "/me"), ("GET", "/v1/pools/{}")}
    assert unknown_routes(methods, path, known) == wrong


@each_document
def test_every_route_that_is_named_is_there(document: Path, routes: dict[str, set[tuple[str, str]]]) -> None:
    everywhere = set().union(*routes.values())
    wrong = []
    for code in code_in(document):
        if (named := ROUTE.match(code)) is not None and not named[2].startswith(OF_A_MACHINE):
            wrong += unknown_routes(named[1], named[2], everywhere)
        for service, path in CALLED.findall(code):
            wrong += unknown_routes("", path, routes[service.lower()])
    assert wrong == []


@cache
def metrics() -> set[str]:
    """The series of every metric of ours that code makes."""
    found = set()
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first = node.args[0]
                if node.func.id in ("Counter", "Gauge", "Histogram") and isinstance(first, ast.Constant):
                    name = str(first.value)
                    found |= {name, f"{name}_count", f"{name}_sum", f"{name}_bucket"}
    return found


@each_document
def test_every_metric_and_alert_that_is_named_is_there(document: Path) -> None:
    text = document.read_text()
    known = metrics() | {*ADDED, *SHORTENED}
    assert {name for name in METRIC.findall(text) if not any(one.startswith(name) for one in known)} == set()
    rules = yaml.safe_load((ROOT / "deploy/grafana/alerts.yml").read_text())["groups"][0]["rules"]
    assert set(ALERT.findall(text)) - {rule["alert"] for rule in rules} == set()


def unknown_in(command: str) -> str | None:
    """What the command line does not have of this command: one of its words, or an option."""
    found = typer.main.get_command(command_line)
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        words = command.split()
    while words and isinstance(found, TyperGroup) and not words[0].startswith("-"):
        inner = found.commands.get(words[0])
        if inner is None:
            return words[0]
        found, words = inner, words[1:]
    options = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return next((word for word in words if re.fullmatch(r"--[a-z][a-z-]*|-[a-z]", word) and word not in options), None)


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("status --at http://signup:8101", None),
        ("tenants keys add emp_riverside", None),
        ("tenants bless emp_riverside", "bless"),
        ("dlq replay --topic T --everything", "--everything"),
        ("bless", "bless"),
    ],
)
def test_the_rule_about_commands_can_fail(command: str, wrong: str | None) -> None:
    assert unknown_in(command) == wrong


@pytest.mark.parametrize("document", [*DOCUMENTS, EXAMPLE], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_is_named_is_there(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong = []
    for code in code_in(document) if document != EXAMPLE else SPAN.findall(EXAMPLE.read_text()):
        if NOT_A_COMMAND.search(code) is None:
            # `fairpool topics|tenants|dlq` names three
            for command in COMMAND.findall(SUBSTITUTED.sub(r" \1 ", code)):
                first, _, rest = command.partition(" ")
                wrong += [word for one in first.split("|") if (word := unknown_in(f"{one} {rest}")) is not None]
        wrong += [f"make {target}" for target in MAKE.findall(code) if target not in targets]
        wrong += [module for module in MODULE.findall(code) if importlib.util.find_spec(module) is None]
    assert wrong == []


def is_there(document: Path, name: str) -> bool:
    """Whether a file of this name is beside the document, in the project, or, for a name alone, anywhere in it."""
    pattern = re.sub(r"<[^>]*>|[A-Z]{4,}", "*", name.rstrip("/"))
    if "/" not in pattern:
        return any(next((ROOT / folder).rglob(pattern), None) for folder in (*FOLDERS, "tests")) or (
            next(ROOT.glob(pattern), None) is not None
        )
    bases = (document.parent, ROOT, *(ROOT / "services").iterdir())
    return any(next(base.glob(pattern), None) is not None for base in bases)


@each_document
def test_every_file_that_is_named_is_there(document: Path) -> None:
    wrong = []
    for span in SPAN.findall(BLOCK.sub("", document.read_text())):
        tops = (f"{folder}/" for folder in (*FOLDERS, "tests", ".ci", "adapters", "decisions", "api"))
        if FILE.fullmatch(span) and (span.startswith(tuple(tops)) or span.endswith(ENDINGS)):
            wrong += [] if is_there(document, span) else [span]
    assert wrong == []


@each_document
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    wrong = []
    for path, place in LINK.findall(BLOCK.sub("", document.read_text())):
        target = document if not path else (document.parent / path).resolve()
        if not target.exists():
            wrong.append(path)
        elif place and target.suffix == ".md" and place not in _places(target):
            wrong.append(f"{path}#{place}")
    assert wrong == []


def _places(document: Path) -> set[str]:
    """The anchors of its headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
