"""A seat that is read while its employer is told things: whoever goes on from there repeats nothing and misses nothing."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from deploy.seats.reading import MEMBERS, POOLS, Addresses, SeatReader
from shared.feed.model import Telling
from shared.feed.postgres import PostgresFeedWriter
from shared.messaging.unit import unit_of_work
from tests.integration.pool_matching.conftest import Http
from tests.integration.pool_matching.kit import consent, tell_persons
from tests.integration.pool_matching.test_http import come, make
from tests.taking_over import apply_update

Members = dict[str, set[str]]


def told(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def listed(folder: Path) -> Members:
    found: Members = {pool["id"]: set() for pool in told(folder, POOLS)}
    for member in told(folder, MEMBERS):
        found[member["pool"]].add(member["member_ref"])
    return found


async def rest(http: Http, after: str | None = None) -> tuple[list[dict[str, Any]], str]:
    """What the feed tells behind a cursor, to its end."""
    items: list[dict[str, Any]] = []
    while True:
        page = (await http.ask("GET", "/v1/updates", params={"limit": 3} | ({"after": after} if after else {}))).json()
        items, after = [*items, *page["items"]], page["next"]
        if not page["items"]:
            return items, page["next"]


async def leave(http: Http, people: Sequence[str]) -> None:
    await tell_persons(http.kit, *(consent(who, 2, match=False) for who in people))


@asynccontextmanager
async def reader(http: Http, meanwhile: Callable[[httpx.Request], Awaitable[None]]) -> AsyncIterator[SeatReader]:
    """Of emp_a's seat; before each request something happens."""
    async with httpx.AsyncClient(transport=http.client._transport, event_hooks={"request": [meanwhile]}) as client:
        at = Addresses("http://test", "http://nobody")
        yield SeatReader(client, at, http.keys["emp_a"], pause=timedelta())


async def test_what_is_told_while_a_seat_is_read_is_in_its_lists_or_behind_its_cursor_and_never_both(
    http: Http, tmp_path: Path
) -> None:
    pools = [await make(http, occupations=["29-0000"]), await make(http)]
    early = await come(http, 6)
    lists = 0

    async def meanwhile(request: httpx.Request) -> None:
        nonlocal lists
        if request.url.path.endswith("/members"):
            lists += 1
            if lists == 2:  # a tick between the two lists, in which five join both
                await come(http, 5)
            elif lists == 3:  # and then somebody leaves, of which no tick has told yet
                await leave(http, early[:1])

    async with reader(http, meanwhile) as seat:
        cursor, files = await seat.pools(tmp_path)
    assert lists == 4, "both were read again"
    assert files[POOLS].lines == 2
    mirror = listed(tmp_path)
    assert {pool: len(refs) for pool, refs in mirror.items()} == dict.fromkeys(pools, 10)

    await leave(http, early[1:3])
    await come(http, 5)
    everything, _ = await rest(http)
    behind, _ = await rest(http, cursor)
    assert {update["type"] for update in behind} == {"member.joined", "member.left"}
    before = everything[: len(everything) - len(behind)]
    assert before + behind == everything, "in one place each, and in order"
    along: Members = {}
    for update in before:
        apply_update(along, update)
    gone = {pool: along[pool] - mirror[pool] for pool in pools}
    assert not any(mirror[pool] - along[pool] for pool in pools)
    assert all(len(refs) == 1 for refs in gone.values()), "who left, and is not told of yet, is in no list any more"
    for update in behind:
        apply_update(along, update)
        apply_update(mirror, update)
    assert mirror == along
    joined = [update["member_ref"] for update in everything if update["type"] == "member.joined"]
    assert len(set(joined)) == len(joined)


async def test_while_something_is_on_its_way_to_an_employer_its_seat_has_no_place(http: Http) -> None:
    await make(http)
    await come(http, 5)
    place = (await http.ask("GET", "/v1/seat")).json()
    assert place == {"employer": "emp_a", "updates": (await rest(http))[1]}
    other = (await http.ask("GET", "/v1/seat", "emp_b")).json()["updates"]
    async with unit_of_work(http.kit.connections, at=http.kit.at, source="test") as unit:
        await PostgresFeedWriter(unit, "updates", lambda: None).write([Telling("emp_a", "{}")])
    assert (await http.ask("GET", "/v1/seat")).json()["updates"] is None
    assert (await http.ask("GET", "/v1/seat", "emp_b")).json()["updates"] == other
    for who, status in (("acme-ats", 403), ("emp_bad", 403), (None, 401)):
        assert (await http.ask("GET", "/v1/seat", who)).status_code == status


async def test_a_pool_that_is_made_while_a_seat_is_read_is_read_as_well(http: Http, tmp_path: Path) -> None:
    await make(http)
    made: list[str] = []

    async def meanwhile(request: httpx.Request) -> None:
        if request.url.path.endswith("/members") and not made:
            made.append(await make(http, states=["CO"]))

    async with reader(http, meanwhile) as seat:
        await seat.pools(tmp_path)
    assert made[0] in {pool["id"] for pool in told(tmp_path, POOLS)}
