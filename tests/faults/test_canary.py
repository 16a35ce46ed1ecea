"""What is gone is gone: somebody with recognizable fields lives a full life and is erased, and nobody finds them anywhere.

Not in a topic, a table, Redis or a log, not in the backup of before, and not once it was restored; in no encoding, and
under no key that is left. The same look finds them in all these places before.
"""

import asyncio
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from deploy.checks import collect
from deploy.checks.privacy import Canary
from deploy.demo.client import connect
from deploy.demo.watching import watch
from deploy.local.processes import Identity
from shared.contracts.topics import ATS_EVENTS
from shared.messaging.envelope import Outgoing, Record
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.signatures import HEADER
from tests.e2e.scene import Newcomer, Scene, signed_as
from tests.faults.stores import everything, hits, keys_that_are_left
from tests.stack import Stack
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # a stack of its own, stopped and started once more
SERVICES = ("signup", "courier", "consent", "pool_matching", "outreach_gateway")
INTAKE_KEYS_LAST = timedelta(days=15)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A stack of one's own: its databases are put back, and its clock goes on by weeks."""
    with Stack() as stack:
        async with connect(stack.dev) as client, watch(client) as (mails, topics):
            made = Scene(stack, client, mails, topics)
            made.at_working_hours()
            yield made


async def fairpool(scene: Scene, *arguments: str) -> str:
    """What the command prints; it has to succeed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy", *arguments, f"--home={scene.stack.home.root}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=os.environ,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def live(scene: Scene) -> Newcomer:
    """Reported by two vendors, asked, answered, profile kept, written to twice: one arrived, one is held."""
    person = await scene.join()
    await scene.report(person, vendor=1)
    _, first = await scene.write_to(person)
    await scene.until_state(first, "delivered")
    _, second = await scene.write_to(person)
    await scene.until_state(second, "delayed")
    return person


async def fail_a_record(scene: Scene, person: Newcomer) -> None:
    """What a vendor told of them, once more as a kind that nobody knows: it ends among the dead letters."""
    kafka = Kafka.plain(scene.dev.kafka)
    told = next(record for record in await collect.read_topics(kafka, [ATS_EVENTS]) if is_of(record, person))
    headers = tuple(
        (name, {"ce_type": b"canary.unknown.v1", "ce_id": secrets.token_hex(8).encode()}.get(name, raw))
        for name, raw in told.headers
        if name != HEADER
    )
    producer = Producer(
        kafka, idempotence=False, client_id="test-by-hand", signer=signed_as("signup", scene.stack.home)
    )
    await producer.start()
    await producer.send([Outgoing(told.topic, told.key, told.value, headers)])
    await producer.stop()

    async def is_dead() -> bool:
        return bool(await collect.read_topics(kafka, [ATS_EVENTS.dead_letters]))

    await until(is_dead, what="a dead letter")


def is_of(record: Record, person: Newcomer) -> bool:
    return (record.key or b"").endswith(person.record.encode())


async def plant(scene: Scene, planted: str) -> None:
    """In the stores that are never to hold anything personal: that the look finds it there shows that it looks there."""
    (scene.stack.home.logs / "planted.log").write_text(f'{{"event": "{planted}"}}\n')
    client = Redis.from_url(scene.dev.redis)
    await client.set("planted", planted)
    await client.aclose()


async def erase(scene: Scene, person: Newcomer) -> None:
    """By their own wish, until every service has confirmed it."""
    token = re.split(r"/confirm/|/sign-in/", await scene.link(person))[1]
    bearer = {"Authorization": f"Bearer {token}"}
    url = f"{scene.dev.services.signup}/v1/me/erase"
    answer = await scene.client.ask("POST", url, headers=bearer, body={"confirm": "erase"}, expect=(202,))

    async def is_over() -> bool:
        certificate = await scene.client.ask(
            "GET", answer.json()["certificate"], headers={"Accept": "application/json"}
        )
        return not certificate.json()["outstanding"]

    await until(is_over, what="every service has erased them")


async def restored(scene: Scene, backup: Path) -> None:
    """The backup put back by the command, and everybody open again."""
    before = {name: process_of(scene, name) for name in SERVICES}
    await fairpool(scene, "restore", str(backup))

    def are_back() -> bool:
        return all(scene.stack.is_ready(name) and process_of(scene, name) != before[name] for name in SERVICES)

    await until(are_back, what="each process is open again", within=timedelta(minutes=3))


def process_of(scene: Scene, name: str) -> Identity | None:
    return scene.stack.part(name).process


def what_it_said(scene: Scene, name: str) -> list[str]:
    return re.findall(r'"event": "(closed|replayed|opened)"', scene.stack.log(name))


async def until_intake_keys_are_gone(scene: Scene, day: str) -> None:
    query = "SELECT 1 FROM intake_keys WHERE day::text <= $1"

    async def are_gone() -> bool:
        return not await scene.rows("signup", query, day)

    await until(are_gone, what="the keys of that day are destroyed")


async def test_an_erased_person_is_nowhere_and_a_restore_of_the_backup_of_before_does_not_bring_them_back(
    scene: Scene, tmp_path: Path
) -> None:
    home, planted, words = scene.stack.home, f"planted-{secrets.token_hex(12)}", len(scene.canaries)
    canary = await live(scene)
    of_canary = list(scene.canaries[words:])
    other = await scene.join()
    of_other = [replace(one, kind=f"other's {one.kind}") for one in scene.canaries[words + len(of_canary) :]]
    await scene.until_confirmed(other)
    await fail_a_record(scene, canary)
    await plant(scene, planted)
    day = scene.now.date().isoformat()
    before = tmp_path / "before"
    await fairpool(scene, "backup", str(before))

    looked_for = [*of_canary, *of_other, Canary("planted", planted)]
    found = hits(await everything(scene.dev, home, before), looked_for, keys_that_are_left(home))
    for store in (
        "topic ats-events", "topic ats-events-dlq", "topic outreach-decisions", "table signup.identities",
        "table outreach_gateway.outreach", "before signup.dump", "before outreach_gateway.dump",
    ):  # fmt: skip
        assert any(not what.startswith(("other", "planted")) for what in found.get(store, ())), f"nothing in {store}"
    assert {"log planted.log", "redis"} <= {store for store, what in found.items() if "planted in clear" in what}

    await erase(scene, canary)
    assert of_the_canary(hits(await tables(scene), looked_for, keys_that_are_left(home))) == {}

    await restored(scene, before)
    for name in SERVICES:
        assert what_it_said(scene, name) in (["closed", "replayed", "opened"], ["closed", "opened"]), name
    assert of_the_canary(hits(await tables(scene), looked_for, keys_that_are_left(home))) == {}

    scene.move_clock(scene.now + INTAKE_KEYS_LAST + timedelta(days=2))
    await until_intake_keys_are_gone(scene, day)
    await fairpool(scene, "vault", "rotate")
    after = tmp_path / "after"
    await fairpool(scene, "backup", str(after))
    left = await everything(scene.dev, home, before, after)
    found = hits(left, looked_for, keys_that_are_left(home))
    assert of_the_canary(found) == {}
    assert any(what.startswith("other's mail") for what in found["table signup.identities"]), (
        "it still finds who is there"
    )
    assert {"log planted.log", "redis"} <= {store for store, what in found.items() if "planted in clear" in what}


async def tables(scene: Scene) -> dict[str, Sequence[bytes]]:
    return {
        store: values
        for store, values in (await everything(scene.dev, scene.stack.home)).items()
        if store.startswith("table ")
    }


def of_the_canary(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Without what is somebody else's, or was planted to be found."""
    own = {
        store: {what for what in whats if not what.startswith(("other", "planted"))} for store, whats in found.items()
    }
    return {store: whats for store, whats in own.items() if whats}
