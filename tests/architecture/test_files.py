"""What every file and folder of the project keeps to."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PROCESSES = ("consent", "outreach_gateway", "pool_matching", "signup", "signup/courier")
ROOMS = ("__init__", "__main__", "app", "settings", "handlers", "decisions", "model", "ports", "adapters")
WITH_ROUTES = ("consent", "outreach_gateway", "pool_matching", "signup")

SILENCED = re.compile(r"#\s*(type:\s*ignore|noqa)\b(?P<rest>[^\n]*)")
REASONED = re.compile(r"^(\[[a-z-]+(,\s*[a-z-]+)*\]|:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*)\s+(-|#|\()\s*\S.{4,}")
REGISTRIES = re.compile(
    r"\b(pypi\.org|pypi\.python\.org|pythonhosted\.org|registry\.npmjs\.org|npmjs\.com|crates\.io|proxy\.golang\.org"
    r"|repo1?\.maven\.(apache\.)?org|docker\.io|ghcr\.io|quay\.io|rubygems\.org|deb\.debian\.org)\b"
    r"|--(extra-)?index-url[ =]\S*//|\bUV_INDEX|\bPIP_INDEX_URL",
    re.IGNORECASE,
)
OUTSIDE = re.compile(r"/work/shared|/work/main|(?<![\w.])/tmp/\w")
BESIDE = re.compile(r"(?:\.\./)+shared\b")


def _files(*endings: str) -> Iterator[Path]:
    """What git has or would take, so that neither caches nor anybody's notes count."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in sorted(set(filter(None, listed))):
        path = PROJECT / name
        if path.is_file() and path != Path(__file__) and (not endings or path.suffix in endings):
            yield path


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        yield f"{path.relative_to(PROJECT)}:{number}", line


def silenced_without_reason(line: str) -> bool:
    """Whether a line switches a check off without saying which one and why."""
    found = SILENCED.search(line)
    return found is not None and REASONED.match(found["rest"].lstrip()) is None


@pytest.mark.parametrize(
    ("line", "bad"),
    [
        ("x = 1", False),
        ("x = 1  # noqa", True),
        ("x = 1  # noqa: S101", True),
        ("x = 1  # type: ignore", True),
        ("x = 1  # type: ignore[arg-type]", True),
        ("x = 1  # type: ignore[arg-type]  # no types", False),
        ("x = 1  # noqa: S101 - started just before", False),
        ("x = 1  # noqa: S101  (started just before)", False),
        ("x = 1  # noqa: S101, S102 - started just before", False),
    ],
)
def test_the_rule_about_reasons_can_fail(line: str, bad: bool) -> None:
    assert silenced_without_reason(line) is bad


def test_every_switched_off_check_says_which_and_why() -> None:
    bad = [where for path in _files(".py") for where, line in _lines(path) if silenced_without_reason(line)]
    assert bad == [], "write `# noqa: CODE - reason` or `# type: ignore[code]  # reason`"


@pytest.mark.parametrize(
    "line",
    [
        "https://pypi.org/simple",
        "registry.npmjs.org",
        "image: ghcr.io/a/b",
        "--index-url https://x/simple",
        "PIP_INDEX_URL=x",
    ],
)
def test_the_rule_about_registries_can_fail(line: str) -> None:
    assert REGISTRIES.search(line)


def test_no_file_names_a_package_registry() -> None:
    assert [where for path in _files() for where, line in _lines(path) if REGISTRIES.search(line)] == []


def points_outside(path: Path, line: str) -> bool:
    """Whether a line of this file names a place that a clone of the project does not have."""
    beside = (PROJECT.joinpath(path).parent.joinpath(found).resolve() for found in BESIDE.findall(line))
    named = OUTSIDE.search(line) is not None and path.suffix != ".conf"  # a server's /tmp in its container is its own
    return named or any(not place.is_relative_to(PROJECT) for place in beside)


@pytest.mark.parametrize(
    ("file", "line", "bad"),
    [
        ("README.md", "see /work/shared/design.md", True),
        ("README.md", "cat /tmp/fp/brief.md", True),
        ("README.md", "../shared/facts", True),
        ("docs/a.md", "../../shared/facts", True),
        ("docs/a.md", "[contracts](../shared/contracts)", False),
        ("docs/decisions/a.md", "../../shared/contracts", False),
    ],
)
def test_the_rule_about_places_outside_can_fail(file: str, line: str, bad: bool) -> None:
    assert points_outside(Path(file), line) is bad


def test_no_file_points_outside_the_project() -> None:
    assert [where for path in _files() for where, line in _lines(path) if points_outside(path, line)] == []


def _has(folder: Path, room: str) -> bool:
    return (folder / f"{room}.py").is_file() or (folder / room / "__init__.py").is_file()


@pytest.mark.parametrize("process", PROCESSES)
def test_every_service_has_the_same_rooms(process: str) -> None:
    folder = PROJECT / "services" / process
    wanted = (*ROOMS, "api") if process in WITH_ROUTES else ROOMS
    assert [room for room in wanted if not _has(folder, room)] == []


@pytest.mark.parametrize("service", WITH_ROUTES)
def test_every_service_has_migrations_and_says_what_it_is(service: str) -> None:
    folder = PROJECT / "services" / service
    assert list((folder / "migrations").glob("0001_*.sql"))
    assert (folder / "README.md").is_file()


def test_there_is_no_service_beside_these() -> None:
    assert {path.parent.name for path in (PROJECT / "services").glob("*/app.py")} == set(WITH_ROUTES)


def test_make_lists_its_commands() -> None:
    done = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"setup", "dev", "demo", "test", "check", "schemas"} <= {
        line.split()[0] for line in done.stdout.splitlines()
    }
