"""Whatever an employer can read of a person was noted as disclosed before: every way out is walked, at each turn of a story."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from services.pool_matching import jobs
from services.pool_matching.adapters.postgres_listings import PostgresListings
from services.pool_matching.api import router
from services.pool_matching.api.updates import stream
from services.pool_matching.handlers import on_tellings
from shared.contracts.pool_matching import DisclosedV1
from shared.facts import Known
from shared.messaging.unit import unit_of_work
from shared.runner.model import Job
from tests.integration.pool_matching.conftest import Http
from tests.integration.pool_matching.kit import (
    NURSE,
    REFS,
    TICKS,
    candidates,
    consent,
    next_tick,
    profile,
    tell_persons,
    telling,
)
from tests.integration.pool_matching.test_http import come, make
from tests.integration.pool_matching.test_seat import reader

Read = dict[tuple[str, str], set[str]]
"""By pool and member ref, the fields that could be read."""


def _add(read: Read, pool: str, ref: str, fields: Mapping[str, Any]) -> None:
    read.setdefault((pool, ref), set()).update(name for name, value in fields.items() if value)


async def by_members(http: Http, _: Path) -> Read:
    read: Read = {}
    for pool in (await http.ask("GET", "/v1/pools")).json()["items"]:
        after: str | None = ""
        while after is not None:
            page = (
                await http.ask("GET", f"/v1/pools/{pool['id']}/members", params={"after": after, "limit": 4})
            ).json()
            for member in page["items"]:
                _add(read, pool["id"], member["member_ref"], member["profile"])
            after = page["next"]
    return read


async def by_the_feed(http: Http, _: Path) -> Read:
    read: Read = {}
    page = (await http.ask("GET", "/v1/updates", params={"limit": 500})).json()
    for update in page["items"]:
        if "member_ref" in update:
            _add(read, update["pool"], update["member_ref"], {})
    return read


async def by_the_stream(http: Http, _: Path) -> Read:
    read: Read = {}
    employer = http.tenants.get("emp_a")
    assert isinstance(employer, Known)
    start = (await http.edge.feed.page("emp_a", None, limit=1)).start
    async with asyncio.timeout(180):
        async for frame in stream(http.edge, employer.value, start):
            if frame == ": heartbeat\n\n":
                break
            for line in frame.splitlines():
                if line.startswith("data: "):
                    update = json.loads(line.removeprefix("data: "))
                    if "member_ref" in update:
                        _add(read, update["pool"], update["member_ref"], {})
    return read


async def by_a_bundle(http: Http, folder: Path) -> Read:
    read: Read = {}
    async with reader(http, _nothing) as seat:
        _, files = await seat.pools(folder)
    assert files
    for line in (folder / "members.jsonl").read_text().splitlines():
        member = json.loads(line)
        _add(read, member["pool"], member["member_ref"], member["profile"])
    return read


async def _nothing(_: object) -> None:
    pass


WAYS: Mapping[str, Callable[[Http, Path], Awaitable[Read]]] = {
    "/v1/pools/{id:pool_id}/members": by_members,
    "/v1/updates": by_the_feed,
    "/v1/updates, as a stream": by_the_stream,
    "/v1/seat, and what is read with it": by_a_bundle,
}
NOBODY = {
    "/v1/pools": "pools, and how many are listed: five or more",
    "/v1/pools/{id:pool_id}": "a pool, and how many are listed: five or more",
    "/v1/introduced": "how many the employer introduced, in fives",
    "/v1/occupations": "codes",
}
"""What employers may ask that names no member."""


def test_every_route_that_an_employer_can_ask_is_a_way_that_is_walked_or_names_nobody(http: Http) -> None:
    asked = {route.path for route in router(http.edge).routes if "GET" in getattr(route, "methods", ())}  # type: ignore[attr-defined]  # Starlette's base has none
    assert asked == {way.partition(",")[0] for way in WAYS} | NOBODY.keys(), "a new way out is walked here"


async def _noted(http: Http) -> Read:
    """What was noted by now, said or not."""
    noted: Read = {}
    for row in await http.kit.connections.fetch(
        "SELECT candidate, pool, fields FROM disclosures WHERE fields IS NOT NULL"
    ):
        noted.setdefault((row["pool"], row["candidate"]), set()).update(row["fields"])
    for one in await http.kit.published(DisclosedV1):
        noted.setdefault((one.pool, one.candidate), set()).update(one.fields)
    return noted


async def _walk(http: Http, folder: Path) -> int:
    """How many members were read, each of whom was noted in time with every field."""
    noted, members = await _noted(http), 0
    for name, way in WAYS.items():
        for (pool, ref), fields in (await way(http, folder)).items():
            referred = REFS.read(ref, "emp_a")
            assert referred is not None
            assert (pool, referred.candidate) in noted, f"{name}: somebody was shown who was not noted"
            assert fields <= noted[pool, referred.candidate], f"{name}: a field was shown that was not noted"
            members += 1
    return members


async def test_nothing_is_read_on_any_way_that_was_not_noted_before(http: Http, tmp_path: Path) -> None:
    await make(http, occupations=["29-1141"], min_years=3)
    early = await come(http, 6)
    assert await _walk(http, tmp_path) == 4 * 6
    await make(http, states=["CO"], skills_any=["icu"])
    await http.tick()
    assert await _walk(http, tmp_path) == 4 * 12, "a new pool shows at once"
    changed = [profile(who, 2, NURSE.model_copy(update={"years": 10})) for who in early]
    await tell_persons(http.kit, *changed)
    await http.tick()
    await _walk(http, tmp_path)
    await come(http, 5)
    await tell_persons(http.kit, *(consent(who, 2, match=False) for who in early[:2]))
    assert await _walk(http, tmp_path) > 4 * 12
    async with unit_of_work(http.kit.connections, at=http.kit.at, source="pool_matching") as unit:
        assert not await jobs.say_disclosures(PostgresListings(unit, http.kit.feed.writer))
    assert await http.kit.connections.fetchval("SELECT count(*) FROM disclosures") == 0
    await _walk(http, tmp_path)


async def test_a_telling_that_is_cut_short_shows_and_notes_nothing(http: Http, tmp_path: Path) -> None:
    await make(http)
    await http.tick()
    await tell_persons(http.kit, *(event for who in candidates(9) for event in (profile(who), consent(who))))
    kit = http.kit
    kit.at = next_tick(kit)
    with suppress(InterruptedError):
        async with unit_of_work(kit.connections, at=kit.at, source="pool_matching") as unit:
            await on_tellings(PostgresListings(unit, kit.feed.writer), [Job("emp_a", kit.at, 1)], TICKS)
            assert await unit.connection.fetchval("SELECT count(*) FROM disclosures") == 9
            raise InterruptedError
    assert await _noted(http) == {} and await by_members(http, tmp_path) == {}
    assert await telling(kit)
    assert len(await _noted(http)) == 9 == len(await by_members(http, tmp_path)), "with the step that opens the list"
