"""SIGKILL at each step of `fairpool tenants move` and `bundle`: the seat is here or there, and no half of a bundle passes for one."""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from deploy import tenants
from deploy.cli import app
from deploy.tenants import Tenant
from shared.contracts.operator import TenantChangedV1
from shared.contracts.topics import SIGNERS, TENANTS
from shared.messaging import topics
from shared.messaging.kafka import Kafka
from shared.messaging.signatures import Signer
from shared.security import encoding
from shared.security.documents import DocumentSigner
from shared.security.tenant_keys import hash_key, new_key
from tests.conftest import unique
from tests.killed import When, killed
from tests.stack import Servers
from tests.taking_over import open_bundle

SEED = b"o" * 32
PUBLIC = encoding.encode(DocumentSigner(SEED).public)


class _Services(BaseHTTPRequestHandler):
    """Every service: an empty seat, for whatever key."""

    def do_GET(self) -> None:
        seat = {"updates": "u", "outreach": "o", "policy": "2026-12"}
        known = self.path.partition("?")[0]
        body = json.dumps(seat if known == "/v1/seat" else {"items": [], "next": None}).encode()
        self.send_response(403 if known == "/v1/tenants" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of all services."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Services) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Seat:
    """An employer that is with one vendor, and is to go to another."""

    def __init__(self, kafka: Kafka, folder: Path) -> None:
        self.kafka, self.folder = kafka, folder
        self.employer, self.here, self.there = unique("emp"), unique("here"), unique("there")
        self.key = new_key(self.employer)

    async def begin(self) -> "Seat":
        """On the topic."""
        made = [
            Tenant(self.here, "vendor", self.here),
            Tenant(self.there, "vendor", self.there),
            Tenant(self.employer, "employer", self.employer, vendor=self.here),
        ]
        keys = {one.id: self.key if one.id == self.employer else new_key(one.id) for one in made}
        await tenants.publish(self.kafka, made, keys, Signer(SEED))
        return self

    @property
    def path(self) -> Path:
        return self.folder / f"{self.employer}.seat.zip"

    def arguments(self, command: str) -> tuple[str, ...]:
        to = ("--to", self.there, "--reason", "contract 12") if command == "move" else ()
        return ("tenants", command, self.employer, *to, "--out", str(self.path), "--home", str(self.folder / "none"))

    async def run(self, command: str) -> Result:
        return await asyncio.to_thread(self._run, command)

    def _run(self, command: str) -> Result:
        """What is logged on the way, as of records that other tests signed, is no part of the result: `main` sees to that."""
        with capture_logs():
            return CliRunner().invoke(app, list(self.arguments(command)))

    async def now(self) -> TenantChangedV1:
        return next(one for one in await tenants.read(self.kafka) if one.tenant == self.employer)

    def is_whole(self) -> bool:
        return str(open_bundle(self.path, PUBLIC)["vendor"]) == self.there


@pytest.fixture
async def seat(servers: Servers, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seat:
    """On the topic, as the environment of commands says."""
    kafka = Kafka.plain(servers.kafka)
    await topics.create_missing(kafka, [TENANTS])
    verify = ",".join(f"{name}={PUBLIC}" for name in SIGNERS)
    told = {"KAFKA": servers.kafka, "OPERATOR_SIGNING_KEY": encoding.encode(SEED), "VERIFY_KEYS": verify}
    told |= {f"{name}_URL": url for name in ("SIGNUP", "POOL_MATCHING", "OUTREACH_GATEWAY")}
    for name, value in told.items():
        monkeypatch.setenv(f"FAIRPOOL_{name}", value)
    return await Seat(kafka, tmp_path).begin()


async def test_killed_before_its_record_a_move_has_not_happened_and_again_it_is_done(seat: Seat) -> None:
    said = await killed("deploy.tenants:_send", "before", *seat.arguments("move"))
    now = await seat.now()
    assert (said, now.vendor, now.key_hashes) == ("", seat.here, (hash_key(seat.key),))
    again = await seat.run("move")
    assert again.exit_code == 0, again.output
    now = await seat.now()
    assert (now.vendor, now.key_hashes) == (seat.there, (hash_key(again.stdout.splitlines()[0]),))
    assert seat.is_whole()


@pytest.mark.parametrize(
    ("step", "when", "shown"),
    [
        ("deploy.tenants:_send", "after", False),
        ("deploy.commands.seats:until_heard", "before", True),
        ("deploy.commands.seats:SeatReader.read", "after", True),
        ("deploy.seats.bundle:zipfile.ZipFile.write", "after", True),
        ("deploy.seats.bundle:Path.replace", "before", True),
    ],
)
async def test_killed_after_its_record_a_move_is_done_and_what_is_missing_is_made_later(
    seat: Seat, step: str, when: When, shown: bool
) -> None:
    said = await killed(step, when, *seat.arguments("move"))
    now = await seat.now()
    assert (now.vendor, len(now.key_hashes)) == (seat.there, 1), "one record says all of it"
    assert [hash_key(line) for line in said.splitlines()] == (list(now.key_hashes) if shown else [])
    assert not seat.path.exists(), "what has the bundle's name is whole"
    for left in seat.folder.iterdir():
        is_half = "replace" not in step
        assert (await asyncio.to_thread(_verified, left)).exit_code == is_half, "half a bundle is none"
    again = await seat.run("move")
    assert again.exit_code == 1 and f"the seat of {seat.employer} is there" in " ".join(again.stderr.split())
    written = await seat.run("bundle")
    assert written.exit_code == 0, written.output
    assert seat.is_whole()
    assert (await seat.now()).key_hashes == now.key_hashes, "the key by which it was read has ended"


async def test_a_bundle_that_is_killed_leaves_a_key_that_is_named_and_again_it_is_whole(seat: Seat) -> None:
    assert (await seat.run("move")).exit_code == 0
    await asyncio.to_thread(seat.path.unlink)
    before = (await seat.now()).key_hashes
    await killed("deploy.seats.bundle:zipfile.ZipFile.write", "after", *seat.arguments("bundle"))
    left = (await seat.now()).key_hashes
    assert (left[:-1], seat.path.exists()) == (before, False)
    assert (await seat.run("bundle")).exit_code == 0 and seat.is_whole()
    assert (await seat.now()).key_hashes == left
    ended = ("tenants", "keys", "revoke", seat.employer, left[-1][:12], "--home", str(seat.folder / "none"))
    done = await asyncio.to_thread(CliRunner().invoke, app, list(ended))
    assert done.exit_code == 0, done.output
    assert (await seat.now()).key_hashes == before


def _verified(path: Path) -> Result:
    return CliRunner().invoke(app, ["tenants", "bundle", "--verify", str(path), "--key", PUBLIC])
