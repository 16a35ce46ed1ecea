"""The windows on a real Redis Cluster: one that loses a master, promotes a replica, moves a slot, or has no replica to promote."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from redis.crc import key_slot

from deploy.local.ports import HOST
from services.outreach_gateway.adapters.redis_cluster import ClusterServers
from services.outreach_gateway.adapters.redis_windows import RedisWindows
from services.outreach_gateway.calendar import open_hours
from services.outreach_gateway.decisions import windows_of
from services.outreach_gateway.model import SHARDS, Answer, Ask, Consent, Queue
from services.outreach_gateway.ports.windows import Epoch, Found, WindowsAwayError
from services.outreach_gateway.rebuild import Rebuild
from shared.postgres.pool import Pool
from tests.databases import MIGRATIONS_OF
from tests.fakes.clock import FixedClock
from tests.integration.outreach_gateway.rebuilding import NOW, POLICY, Rows, person
from tests.redis_cluster import Cluster, cluster
from tests.waiting import until

pytestmark = pytest.mark.slow
PEOPLE = [person(1, shard) for shard in range(SHARDS)]


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["outreach_gateway"]


class OnCluster:
    """A gateway's windows on a cluster, and one message that went to one person of each shard."""

    def __init__(self, pool: Pool, nodes: Cluster) -> None:
        self.rows = Rows(pool)
        self.nodes = nodes
        self.windows = RedisWindows(ClusterServers(nodes.url), POLICY, FixedClock(NOW), at=NOW)
        self.rebuild = Rebuild(self.rows.epochs, self.windows)

    async def all_are(self, wanted: Mapping[int, Found]) -> dict[int, str]:
        """The names of all epochs, once each shard is as is said, and every other one open."""

        async def they_are() -> bool:
            found = await self.rebuild.look()
            await self.rebuild.build()
            return all(found[shard] is wanted.get(shard, Found.OPEN) for shard in range(SHARDS))

        await until(they_are, what=f"the shards are {wanted or 'open'}")
        return await self.rows.names()

    async def book(self) -> dict[int, list[Answer] | None]:
        """By shard, what is answered to a second message to each of these people."""
        names = await self.rows.names()
        consent = [Consent(who, 1, contact=True, time_zone="America/Denver") for who in PEOPLE]
        queues = [
            Queue(
                one.candidate, windows_of(POLICY, one), open_hours(POLICY, one, at=NOW), self.rows.places[one.candidate],
                waiting=(Ask("o2", "emp_b", NOW + timedelta(days=14)),),
            )
            for one in consent
        ]  # fmt: skip
        answers = await self.windows.book(queues, {shard: Epoch(name) for shard, name in names.items()})
        return dict(enumerate(answers))

    def shards_of(self, number: int) -> set[int]:
        """Those that this master has."""
        master = self.nodes.masters[number]
        return {shard for shard in range(SHARDS) if self.nodes.master_of(f"fp:{{s{shard}}}") is master}


@asynccontextmanager
async def on_cluster(pool: Pool, *, with_replicas: bool) -> AsyncIterator[OnCluster]:
    async with cluster(with_replicas=with_replicas) as nodes:
        made = OnCluster(pool, nodes)
        async with made.windows.connected():
            await made.rows.sent(*PEOPLE)
            await made.all_are({})
            yield made


def differed() -> float:
    return REGISTRY.get_sample_value("fairpool_windows_differed_total") or 0.0


async def test_a_master_is_lost_and_its_promoted_replica_builds_its_shards_alone(pool: Pool) -> None:
    async with on_cluster(pool, with_replicas=True) as gateway:
        before = differed()
        assert all((await gateway.book()).values())
        assert await gateway.windows.refuses_eviction()
        names, lost = await gateway.rows.names(), gateway.shards_of(0)
        assert 10 < len(lost) < 30
        gateway.nodes.masters[0].kill()
        answers = await gateway.book()
        assert {shard for shard, answer in answers.items() if answer is None} == lost
        assert await gateway.all_are(dict.fromkeys(lost, Found.AWAY)) == names
        await gateway.nodes.replicas[0].says("CLUSTER", "FAILOVER", "TAKEOVER")
        after = await gateway.all_are({})
        assert {shard for shard in after if after[shard] != names[shard]} == lost
        assert all((await gateway.book()).values())
        assert differed() == before, "the windows were built before anything was decided"


async def test_a_slot_moves_under_traffic_and_its_shard_alone_is_built_anew(pool: Pool) -> None:
    async with on_cluster(pool, with_replicas=False) as gateway:
        before, names = differed(), await gateway.rows.names()
        (shard, *_), source, target = sorted(gateway.shards_of(0)), *gateway.nodes.masters[:2]
        slot = key_slot(f"{{s{shard}}}".encode())
        await target.says("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        await source.says("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        moved = asyncio.Event()

        async def traffic() -> int:
            """All others are decided for all the time."""
            turns = 0
            while not moved.is_set() or turns < 5:
                answers = await gateway.book()
                assert {other for other, answer in answers.items() if answer is None} <= {shard}
                turns += 1
            return turns

        going_on = asyncio.create_task(traffic())
        keys = await source.says("CLUSTER", "GETKEYSINSLOT", slot, 100)
        assert len(keys) == 2, "a marker and one person"
        for key in sorted(keys, key=len):
            await source.says("MIGRATE", HOST, target.port, key, 0, 5000)
            found = await gateway.rebuild.look()
            await gateway.rebuild.build()
            assert {other for other, what in found.items() if what is not Found.OPEN} <= {shard}
        for node in gateway.nodes.masters:
            await node.says("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        after = await gateway.all_are({})
        moved.set()
        assert await going_on >= 5
        assert {other for other in after if after[other] != names[other]} == {shard}
        assert all((await gateway.book()).values())
        assert differed() == before
        assert len(await target.says("CLUSTER", "GETKEYSINSLOT", slot, 100)) == 2


async def test_without_a_replica_the_shards_of_a_lost_master_wait_and_all_others_are_decided_for(pool: Pool) -> None:
    async with on_cluster(pool, with_replicas=False) as gateway:
        names, lost = await gateway.rows.names(), gateway.shards_of(1)
        master = gateway.nodes.masters[1]
        old = "{s1}:0123456789abcdef"
        for node in gateway.nodes.masters:
            await node.redis.set(old, "x") if node is gateway.nodes.master_of(old) else None
        master.kill()
        for _ in range(3):
            await gateway.all_are(dict.fromkeys(lost, Found.AWAY))
            answers = await gateway.book()
            assert {shard for shard, answer in answers.items() if answer is None} == lost
        with pytest.raises(WindowsAwayError):
            await gateway.windows.refuses_eviction()
        master.start()
        after = await gateway.all_are({})
        assert {shard for shard in after if after[shard] != names[shard]} == lost
        assert all((await gateway.book()).values())
        assert await gateway.windows.refuses_eviction()
        await gateway.nodes.masters[2].redis.config_set("maxmemory-policy", "allkeys-lru")
        assert not await gateway.windows.refuses_eviction()


async def test_what_an_earlier_version_kept_is_swept_from_every_master(pool: Pool) -> None:
    async with on_cluster(pool, with_replicas=False) as gateway:
        old = [f"fp:{{s{shard}}}:0123456789abcdef{more}" for shard in range(SHARDS) for more in ("", f":{UUID(int=7)}")]
        for key in old:
            await gateway.nodes.master_of(key).redis.set(key, "x")
        assert sum([gone async for gone in gateway.windows.sweep()]) == len(old)
        assert all((await gateway.book()).values())
