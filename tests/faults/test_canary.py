"""What is gone is gone: somebody with recognizable fields lives a full life and is erased, and nobody finds them anywhere.

Not in a topic, a table, Redis or a log, not in the backup of before, and not once it was restored; in no encoding, and
under no key that is left. The same look finds them before in each of these places (`lives.py` says what in which). Their id,
which leads to nobody any more, stands only where it is declared.
"""

import asyncio
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from deploy.checks.privacy import Canary
from deploy.demo.client import connect
from deploy.demo.watching import watch
from deploy.local.processes import Identity
from tests.e2e.scene import Newcomer, Scene
from tests.e2e.test_erasing import KEEPS_100_DAYS
from tests.e2e.test_leaving import KEEP_THE_ID
from tests.faults.lives import FIELDS, IDS, NOWHERE, live
from tests.faults.stores import everything, hits, keys_that_are_left
from tests.stack import Stack
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # a stack of its own, stopped and started once more
SERVICES = ("signup", "courier", "consent", "pool_matching", "outreach_gateway")
INTAKE_KEYS_LAST = timedelta(days=15)
ERASED_WITHIN = timedelta(seconds=60)
"""What is promised while everything is up; the demo tells how long it takes."""
STAY = {
    f"table {service}.{table}" for service, table in {*KEEP_THE_ID, *KEEPS_100_DAYS, ("outreach_gateway", "outreach")}
}
"""Tables in which the id of the erased may stand, as they declare it."""

TITLES = ("title in clear", "later title in clear")
"""No personal field: an old backup keeps what a vendor called somebody's work, under an id that leads to nobody any more."""


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


async def plant(scene: Scene, planted: str) -> None:
    """In the stores that are never to hold anything personal: that the look finds it there shows that it looks there."""
    (scene.stack.home.logs / "planted.log").write_text(f'{{"event": "{planted}"}}\n')
    client = Redis.from_url(scene.dev.redis)
    await client.set("planted", planted)
    await client.aclose()


async def erase(scene: Scene, person: Newcomer) -> None:
    """By their own wish, until every service has confirmed it."""
    token = (await scene.link(person)).rpartition("/confirm/")[2]
    bearer = {"Authorization": f"Bearer {token}"}
    url = f"{scene.dev.services.signup}/v1/me/erase"
    answer = await scene.client.ask("POST", url, headers=bearer, body={"confirm": "erase"}, expect=(202,))

    async def is_over() -> bool:
        certificate = await scene.client.ask(
            "GET", answer.json()["certificate"], headers={"Accept": "application/json"}
        )
        return not certificate.json()["outstanding"]

    await until(is_over, what="every service has erased them", within=ERASED_WITHIN)


async def restored(scene: Scene, backup: Path) -> None:
    """The backup put back by the command, and everybody open again."""
    before = {name: process_of(scene, name) for name in SERVICES}
    await fairpool(scene, "restore", str(backup), "--yes")

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
    home, planted = scene.stack.home, f"planted-{secrets.token_hex(12)}"
    canary = await live(scene)
    await fairpool(scene, "person", f"--email={canary.person.mail}", "--reason=complaint 4711")
    await plant(scene, planted)
    day = scene.now.date().isoformat()
    before = tmp_path / "before"
    await fairpool(scene, "backup", str(before))

    looked_for = [*canary.all, Canary("planted", planted)]
    found = hits(await everything(scene.dev, home, before), looked_for, keys_that_are_left(home))
    kinds = {store: {what.partition(" in ")[0] for what in whats} for store, whats in found.items()}
    assert {
        store: missing for store, wanted in FIELDS.items() if (missing := {*wanted} - kinds.get(store, set()))
    } == {}
    assert {store for store in IDS if "id" not in kinds.get(store, ())} == set(), "their life was not full"
    assert {store for store, found_in in kinds.items() if found_in & {*NOWHERE}} == set()
    assert "planted" in kinds["log planted.log"] & kinds["redis"]

    await erase(scene, canary.person)
    assert of_the_canary(hits(await tables(scene), looked_for, keys_that_are_left(home))) == {}

    await restored(scene, before)
    for name in SERVICES:
        assert what_it_said(scene, name) in (["closed", "replayed", "opened"], ["closed", "opened"]), name
    assert of_the_canary(hits(await tables(scene), looked_for, keys_that_are_left(home))) == {}

    scene.move_clock(scene.now + INTAKE_KEYS_LAST + timedelta(days=2))
    await until_intake_keys_are_gone(scene, day)
    await fairpool(scene, "vault", "rotate", "--yes")
    after = tmp_path / "after"
    await fairpool(scene, "backup", str(after))
    left = await everything(scene.dev, home, before, after)
    found = hits(left, looked_for, keys_that_are_left(home))
    assert {
        (store, what)
        for store, whats in of_the_canary(found).items()
        for what in whats
        if not (store == "before signup.dump" and what.startswith(TITLES))
    } == set()
    assert {store for store, whats in found.items() if store.startswith("table ") and "id in clear" in whats} <= STAY
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
    """Their fields and the words to them: without what is somebody else's, or was planted, and without their id."""
    own = {
        store: {what for what in whats if not what.startswith(("other", "planted", "id in"))}
        for store, whats in found.items()
    }
    return {store: whats for store, whats in own.items() if whats}
