"""What the worst bodies cost a running local stack: `python -m tests.bench.worst_bodies [HOME] [ROUTE]`.

For each route and body: the answer, seconds, the service's own seconds of CPU, how far its memory grew (VmHWM over VmRSS
before), and the longest that somebody else waited for `/health/live` meanwhile. Times on a busy machine say little; CPU does.
It ends with 1 where an answer took 1 s or 50 MB. Linux, and the rights to reset the high-water mark of the service.
"""

import hashlib
import hmac
import http.client
import multiprocessing
import os
import re
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from deploy.local import clockfile, devfile, state
from deploy.local.devfile import DevFile
from deploy.local.home import Home
from deploy.local.secrets import read as read_secrets
from deploy.local.secrets import signing_key_of
from shared.security import encoding
from shared.security.links import Link, LinkPurpose, LinkSigner
from shared.security.sessions import SessionSigner
from shared.security.statements import StatementSigner
from shared.web import gates
from tests.worst_bodies import Operation, Worst, batches, bodies, greenhouse, limit_of, operations

SECONDS, MEGABYTES = 1.0, 50.0
PAGES: dict[str, LinkPurpose] = {
    "/confirm/": "confirm", "/sign-in/": "me", "/profile/": "confirm", "/u/": "unsubscribe", "/refuse/": "refuse",
    "/erase/": "confirm",
}  # fmt: skip
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request took."""

    status: int
    answered: int
    seconds: float
    cpu: float
    megabytes: float
    waited: float


@dataclass(frozen=True, slots=True)
class Caller:
    """Who has every key, and signs links for somebody whom nobody knows."""

    dev: DevFile
    signer: LinkSigner
    sessions: SessionSigner
    now: datetime

    def opened(self, operation: Operation, raw: bytes) -> tuple[str, dict[str, str]]:
        """The path and the headers that are let in."""
        keys = {
            "vendor": self.dev.vendors[0].key,
            "employer": self.dev.employers[0].key,
            "operator": self.dev.operator.key,
        }
        headers = {"Idempotency-Key": hashlib.sha256(raw).hexdigest()}
        if operation.kinds:
            headers["Authorization"] = f"Bearer {keys[operation.kinds[0]]}"
        source = self.dev.sources[0]
        headers["Signature"] = "sha256 " + hmac.new(source.secret.encode(), raw, "sha256").hexdigest()
        token = self._token(operation.path)
        path = operation.path.replace("{token}", token).replace("{format}/{source}", f"greenhouse/{source.source}")
        if path.startswith(("/me", "/v1/me")):
            started = self.sessions.start(str(uuid.uuid4()), at=self.now, said_by=self.now)
            headers["Authorization"] = f"Bearer {started.token}"
        return re.sub(r"\{[a-z]+\}", "p_x", path), headers

    def _token(self, path: str) -> str:
        purpose = next((purpose for begin, purpose in PAGES.items() if path.startswith(begin)), None)
        if purpose is None:
            return ""
        until = self.now + timedelta(days=1)
        return self.signer.sign(Link(str(uuid.uuid4()), purpose, until, issued_at=self.now))


def _watch(url: str, waited: Any, over: Any) -> None:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port)
    while not over.wait(0.003):
        began = time.perf_counter()
        connection.request("GET", "/health/live")
        connection.getresponse().read()
        waited.value = max(waited.value, time.perf_counter() - began)


def _kept(pid: int, name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("ascii"))
    return int(found[1]) / 1024 if found else 0.0


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _cost(
    client: httpx.Client, pid: int, waited: Any, method: str, url: str, worst: Worst, headers: dict[str, str]
) -> Cost:
    Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")
    before, used, waited.value, began = _kept(pid, "VmRSS"), _cpu(pid), 0.0, time.perf_counter()
    answer = client.request(method, url, content=worst.raw, headers={**headers, "Content-Type": worst.content_type})
    seconds = time.perf_counter() - began
    return Cost(
        answer.status_code, len(answer.content), seconds, _cpu(pid) - used, _kept(pid, "VmHWM") - before, waited.value
    )


def _all(operation: Operation) -> Iterator[Worst]:
    yield from bodies(operation, limit_of(operation))
    yield Worst("a mebibyte of numbers", "application/json", b"[" + b"1," * (gates.BATCH_LIMIT // 2 - 2) + b"1]")
    if operation.path == "/v1/events":
        yield from batches()
    if operation.path.startswith("/v1/hooks/"):
        yield from greenhouse()


def _measure(caller: Caller, name: str, url: str, pid: int, only: str) -> Iterator[tuple[str, Cost]]:
    waited, over = multiprocessing.Value("d", 0.0), multiprocessing.Event()
    watch = multiprocessing.Process(target=_watch, args=(url, waited, over), daemon=True)
    watch.start()
    with httpx.Client(timeout=120) as client:
        for operation in operations(client.get(f"{url}/openapi.json").json()):
            if operation.method not in ("POST", "PUT", "PATCH") or only not in operation.name:
                continue
            for worst in _all(operation):
                path, headers = caller.opened(operation, worst.raw)
                stranger = {"Content-Type": worst.content_type}
                for who, sent in (("let in", headers), ("stranger", stranger)):
                    where = path if sent is headers else re.sub(r"\{[a-z]+\}", "x", operation.path)
                    cost = _cost(client, pid, waited, operation.method, url + where, worst, sent)
                    yield f"{name} {operation.name} | {who} | {worst.what}", cost
    over.set()
    watch.join()


def main() -> int:
    """Print a line for each, the worst at the end."""
    home, only = Home(Path(sys.argv[1] if len(sys.argv) > 1 else ".fairpool")), "".join(sys.argv[2:3])
    keys = {name: encoding.decode(key) for name, key in read_secrets(home).keys.items() if name.endswith("_KEY")}
    signer = LinkSigner(
        keys["FAIRPOOL_LINK_SIGNING_KEY"],
        keys["FAIRPOOL_LINK_SUBJECT_KEY"],
        StatementSigner(keys[signing_key_of("signup")]),
    )
    sessions = SessionSigner(keys[signing_key_of("signup")], keys["FAIRPOOL_LINK_SUBJECT_KEY"])
    caller = Caller(
        devfile.load(home.dev_file), signer, sessions, max(clockfile.now(home.clock_file), datetime.now(UTC))
    )
    stack = state.read(home)
    pids = {part.name: part.process.pid for part in (stack.parts if stack else ()) if part.process}
    found: list[tuple[str, Cost]] = []
    for name, url in caller.dev.services.model_dump().items():
        for what, cost in _measure(caller, name, str(url), pids[name], only):
            found.append((what, cost))
            sys.stdout.write(_line(what, cost))
            sys.stdout.flush()
    for field in ("seconds", "cpu", "megabytes", "waited", "answered"):
        sys.stdout.write(f"\nmost {field}\n")
        for what, cost in sorted(found, key=lambda one: -getattr(one[1], field))[:5]:
            sys.stdout.write(_line(what, cost))
    return int(any(cost.cpu >= SECONDS or cost.megabytes >= MEGABYTES for _, cost in found))


def _line(what: str, cost: Cost) -> str:
    return (
        f"{what:<110} {cost.status} {cost.answered:>8} B {cost.seconds:6.2f} s {cost.cpu:5.2f} s CPU"
        f" {cost.megabytes:+6.1f} MB others waited {cost.waited * 1000:5.0f} ms\n"
    )


if __name__ == "__main__":
    sys.exit(main())
