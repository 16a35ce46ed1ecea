"""No secret is an argument: the arguments of a process are public on its machine, its environment is not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
MANIFESTS = (
    *sorted(PROJECT.glob("docker-compose*.yml")),
    *sorted((PROJECT / "deploy").rglob("*.y*ml")),
)
COMMANDS = ("command", "args", "entrypoint", "test")
"""Under these keys compose files and manifests have what is run; probes and health checks too."""
SCRIPTS = (
    PROJECT / "Makefile",
    PROJECT / ".ci/run",
    PROJECT / "deploy/Dockerfile",
    *sorted((PROJECT / "deploy").rglob("*.sh")),
    *sorted((PROJECT / "docs").glob("*.md")),
    PROJECT / "README.md",
)

_NAME = r"\w*(?:PASSWORD|PASSWD|SECRET|TOKEN|_KEY|_AUTH|_DATABASE|_REDIS|_SMTP)\b"
SECRET = re.compile(rf"\$+(?:\(|\{{!?)?{_NAME}|\$\{{!\w+\}}")
FED = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?\n.*?^\s*\1\s*$", re.DOTALL | re.MULTILINE)
"""What a shell gives a program on its standard input."""
SWITCH = re.compile(r"(?:^|\s)(?:--(?:requirepass|pass\w*|auth|token|secret)|-a)[ =]+[\"']?\$")


def run_by(found: object) -> Iterator[str]:
    """Each text that a manifest runs."""
    if isinstance(found, list):
        for item in found:
            yield from run_by(item)
    elif isinstance(found, dict):
        for key, value in found.items():
            if key in COMMANDS and isinstance(value, str | list):
                yield from ([value] if isinstance(value, str) else [str(item) for item in value])
            else:
                yield from run_by(value)


def shown(command: str) -> bool:
    """Whether the command has a secret among its arguments."""
    return bool(SECRET.search(FED.sub("", command)))


@pytest.mark.parametrize(
    ("document", "bad"),
    [
        ({"command": ["valkey-server", "--requirepass", "${VALKEY_PASSWORD:?is missing}"]}, True),
        ({"healthcheck": {"test": ["CMD-SHELL", 'valkey-cli -a "$$VALKEY_PASSWORD" ping']}}, True),
        ({"livenessProbe": {"exec": {"command": ["redis-cli", "-u", "$(FAIRPOOL_REDIS)"]}}}, True),
        ({"containers": [{"args": ["deploy", "--key", "$FAIRPOOL_VAULT_KEY"]}]}, True),
        ({"command": "psql --password ${POSTGRES_PASSWORD}"}, True),
        ({"command": ["sh", "-c", "exec server - <<END\nrequirepass $$MY_PASSWORD\nEND\n"]}, False),
        ({"environment": {"POSTGRES_PASSWORD": "${POSTGRES_PASSWORD}"}, "command": ["postgres"]}, False),
        ({"command": ["deploy", "topics", "create", "--replication", "${TOPIC_REPLICATION:-3}"]}, False),
    ],
)
def test_the_rule_about_arguments_can_fail(document: Any, *, bad: bool) -> None:
    assert any(map(shown, run_by(document))) is bad


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_container_has_a_secret_as_an_argument(path: Path) -> None:
    documents = list(yaml.safe_load_all(path.read_text()))
    assert [command for document in documents for command in run_by(document) if shown(command)] == []


def test_containers_are_looked_at() -> None:
    commands = [
        command for path in MANIFESTS for one in yaml.safe_load_all(path.read_text()) for command in run_by(one)
    ]
    assert any("valkey-server" in command for command in commands)
    assert "services.signup" in commands
    assert "pg_isready" in commands


@pytest.mark.parametrize("line", ['redis-cli -a "$X"', "x --requirepass $Y", "x --password=${Z}"])
def test_the_rule_about_switches_can_fail(line: str) -> None:
    assert SWITCH.search(line)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_script_or_page_gives_a_password_to_a_program_as_an_argument(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if SWITCH.search(line)] == []
