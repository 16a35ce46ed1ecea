"""The real servers of the bare machine under the real supervisor in the background."""

from collections.abc import Iterator

import asyncpg
import pytest
from redis.asyncio import Redis

from deploy.local import launch, state
from deploy.local.broker import Broker
from deploy.local.errors import AlreadyRunningError, BrokerLostError
from deploy.local.stack import Options
from tests.stack import Servers
from tests.waiting import until


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """For tests that leave them running; not the session's, since parts of these are killed."""
    with Servers() as started:
        yield started


async def test_each_database_is_closed_to_the_other_roles(servers: Servers) -> None:
    mine, other = await servers.create_database("mine"), await servers.create_database("other")
    connection = await asyncpg.connect(mine)
    assert await connection.fetchval("SELECT current_user || ' ' || current_database()") == "mine mine"
    await connection.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(other.removesuffix("other") + "mine")


async def test_redis_comes_back_empty_and_never_evicts(servers: Servers) -> None:
    client = Redis.from_url(servers.redis)
    await client.set("a", "b")
    await client.aclose()
    servers.kill("redis")
    await until(lambda: servers.part("redis").restarts == 1 and servers.is_ready("redis"))
    client = Redis.from_url(servers.redis)
    assert await client.get("a") is None
    assert (await client.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
    await client.aclose()


async def test_postgres_comes_back_with_what_was_committed(servers: Servers) -> None:
    dsn = await servers.create_database("kept")
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    servers.kill("postgres")
    await until(lambda: servers.part("postgres").restarts >= 1 and servers.is_ready("postgres"))
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT one FROM kept") == 1
    await connection.close()


async def test_the_loss_of_a_broker_that_keeps_nothing_ends_the_stack_with_its_reason() -> None:
    with Servers(Broker.EMBEDDED) as servers:
        await _lose_the_broker(servers)


async def _lose_the_broker(servers: Servers) -> None:
    processes = [servers.part(name).process for name in ("kafka", "postgres", "redis")]
    servers.kill("kafka")
    await until(
        lambda: not any(process and process.alive() for process in processes) and launch.running(servers.home) is None
    )
    found = state.read(servers.home)
    assert found and found.error and "kafka ended with signal SIGKILL" in found.error
    assert found.exit_code == BrokerLostError.exit_code


def test_a_home_holds_one_stack_and_stopping_twice_is_harmless() -> None:
    with Servers() as servers:
        with pytest.raises(AlreadyRunningError, match="fairpool down"):
            launch.start(Options(home=servers.home.root, ports=servers.ports))
        assert sorted(launch.stop(servers.home)) == ["kafka", "postgres", "redis"]
        assert launch.stop(servers.home) == []
