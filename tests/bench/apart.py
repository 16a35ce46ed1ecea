"""The product as compose ships it: each role a process of its own, and the shipped nginx in front, where the machine has one."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.local import endpoints, secrets, services, stack
from deploy.local.ports import free_ports
from deploy.local.secrets import LocalSecrets
from shared.postgres.migrate import migrate
from shared.postgres.pool import open_pool
from shared.roles import Role
from tests.databases import MIGRATIONS_OF
from tests.stack import Servers

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
CONF = Path(__file__).parents[2] / "deploy/compose/nginx/nginx.conf"
_ROLES = {
    "signup": (Role.EDGE, Role.PAGES, Role.WORKER),
    "consent": (Role.EDGE, Role.PAGES, Role.WORKER),
    "pool_matching": (Role.EDGE, Role.WORKER),
    "outreach_gateway": (Role.EDGE, Role.WORKER),
    "courier": (Role.WORKER,),
}
_SHIPPED = {"signup": 8101, "consent": 8102, "pool_matching": 8103, "outreach_gateway": 8104}
_READY_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Apart:
    """What runs."""

    servers: Servers
    kept: LocalSecrets
    ports: dict[tuple[str, Role], int]
    """Of each process."""
    doors: dict[tuple[str, Role], int]
    """What callers use: nginx, else the processes themselves."""
    pids: dict[tuple[str, Role], int]

    def database(self, name: str) -> str:
        """A service's own DSN."""
        return endpoints.resolve(self.servers.ports, self.kept).databases[name]


@contextmanager
def started() -> Iterator[Apart]:
    """Everything is ready inside the block, and gone after it."""
    with ExitStack() as running:
        servers = running.enter_context(Servers())
        kept = secrets.read(servers.home)
        where = endpoints.resolve(servers.ports, kept)
        asyncio.run(stack.fill(where, kept))
        asyncio.run(_migrate(where.databases))
        keys = [(name, role) for name, roles in _ROLES.items() for role in roles]
        ports = dict(zip(keys, free_ports(len(keys)), strict=True))
        pids = {}
        _start(running, servers, "mail", stack.mail(servers.home, servers.ports).command.arguments, dict(os.environ))
        for part in services.parts(servers.home, servers.ports, servers.broker, where, kept.keys):
            for role in _ROLES[part.name]:
                told = {"FAIRPOOL_ROLE": role.value, "FAIRPOOL_HTTP_PORT": str(ports[part.name, role])}
                told |= {"FAIRPOOL_TRUSTED_PROXIES": "127.0.0.1", "FAIRPOOL_LOG_LEVEL": "WARNING"}
                environment = {**part.command.environment, **told}
                name = f"{part.name}-{role}"
                pids[part.name, role] = _start(running, servers, name, part.command.arguments, environment)
        for key in keys:
            _until_ready(ports[key], "-".join(key), servers)
        yield Apart(servers, kept, ports, _doors(running, servers, ports), pids)


async def _migrate(databases: object) -> None:
    assert isinstance(databases, dict)
    for name, folders in MIGRATIONS_OF.items():
        async with await open_pool(databases[name], name="bench") as pool:
            await migrate(pool, *folders)


def _start(
    running: ExitStack, servers: Servers, name: str, arguments: tuple[str, ...], environment: dict[str, str]
) -> int:
    with servers.home.log_of(name).open("wb") as log:
        made = subprocess.Popen(arguments, env=environment, cwd=services.PROJECT, stdout=log, stderr=log)
    running.callback(_end, made)
    return made.pid


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _until_ready(port: int, name: str, servers: Servers) -> None:
    give_up = time.monotonic() + _READY_WITHIN
    while time.monotonic() < give_up:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    sys.exit(f"{name} is not ready:\n{servers.home.log_of(name).read_text(errors='replace')[-2000:]}")


def _doors(running: ExitStack, servers: Servers, ports: dict[tuple[str, Role], int]) -> dict[tuple[str, Role], int]:
    if NGINX is None:
        return ports
    folder = Path(tempfile.mkdtemp(prefix="fairpool-edge-"))
    running.callback(shutil.rmtree, folder)
    folder.chmod(0o755)  # nginx' workers are another user where it is started by root
    *fronts, health = free_ports(len(_SHIPPED) + 1)
    front = dict(zip(_SHIPPED, fronts, strict=True))
    text = CONF.read_text().replace("listen 127.0.0.1:8100;", f"listen 127.0.0.1:{health};")
    text = text.replace("resolver 127.0.0.11 valid=1s ipv6=off;", "").replace("/tmp/", f"{folder}/")  # noqa: S108 - what is replaced
    for name, shipped in _SHIPPED.items():
        host = name.replace("_", "-")
        text = text.replace(f"listen {shipped};", f"listen 127.0.0.1:{front[name]};")
        text = text.replace(f'"~^{shipped} ', f'"~^{front[name]} ')
        text = text.replace(f" {host}:{shipped};", f" 127.0.0.1:{ports[name, Role.EDGE]};")
        if (name, Role.PAGES) in ports:
            text = text.replace(f" {host}-pages:{shipped};", f" 127.0.0.1:{ports[name, Role.PAGES]};")
    (folder / "nginx.conf").write_text(text)
    arguments = (NGINX, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-g", "daemon off;")
    _start(running, servers, "nginx", arguments, dict(os.environ))
    return {key: front.get(key[0], port) for key, port in ports.items()}
