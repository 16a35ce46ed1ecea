"""Employers that are blocked by name: before they join, when they join, and when they are here."""

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from services.consent.handlers import on_tenant_changed
from services.consent.model import Choices
from shared.contracts.operator import TenantChangedV1, TenantKind
from shared.messaging.envelope import Received, Record
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.consent import ConsentsDatabase
from tests.fakes.consent_pages import EMPLOYERS, bearer, link, served

PAGE = {"Accept": "text/html"}


async def joins(
    database: ConsentsDatabase,
    name: str = "Globex, Inc.",
    *,
    domain: str | None = None,
    version: int = 1,
    kind: TenantKind = "employer",
) -> None:
    event = TenantChangedV1(tenant="emp_globex", version=version, kind=kind, name=name, domain=domain, key_hashes=())
    item = Received("e1", "/fairpool/operator", NOON, event, Record("tenants", 0, 0, None, None, ()))
    async with database.transaction() as consents:
        await on_tenant_changed(consents, [item])


async def blocks(database: ConsentsDatabase, most: int = 10) -> None:
    some = 1
    while some:
        async with database.transaction() as consents:
            some = await consents.on_blocks(most)


async def says(client: httpx.AsyncClient, candidate: str, *names: str) -> None:
    body = {"purposes": ["match"], "blocked_names": list(names)}
    assert (await client.post(f"/confirm/{link(candidate, 'confirm')}", json=body)).status_code == 200


def choices(database: ConsentsDatabase, candidate: str = "00000000-0000-7000-8000-000000000001") -> Choices:
    return database.rows[candidate].choices


async def test_an_employer_that_joins_is_blocked_for_those_who_named_it(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await says(client, "00000000-0000-7000-8000-000000000001", "globex")
    await says(client, "00000000-0000-7000-8000-000000000002", "globex.example")
    await says(client, "00000000-0000-7000-8000-000000000003", "initech")
    await joins(database, domain="globex.example")
    await blocks(database)
    assert [
        choices(database, one).blocked_employers
        for one in (
            "00000000-0000-7000-8000-000000000001",
            "00000000-0000-7000-8000-000000000002",
            "00000000-0000-7000-8000-000000000003",
        )
    ] == [("emp_globex",)] * 2 + [()]
    assert [
        database.rows[one].version
        for one in (
            "00000000-0000-7000-8000-000000000001",
            "00000000-0000-7000-8000-000000000002",
            "00000000-0000-7000-8000-000000000003",
        )
    ] == [2, 2, 1]
    assert choices(database).blocked_names == ("globex",)


async def test_it_is_blocked_once_however_often_it_is_told(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await says(client, "00000000-0000-7000-8000-000000000001", "globex")
    for version in (1, 1, 2):
        await joins(database, version=version)
        await blocks(database)
    assert database.rows["00000000-0000-7000-8000-000000000001"].version == 2


async def test_whoever_named_it_is_told_that_it_was_blocked_and_only_when_it_was(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await says(client, "00000000-0000-7000-8000-000000000001", "globex")
    database.links.changes.clear()
    for version in (1, 2):
        await joins(database, version=version)
        await blocks(database)
    (change,) = database.links.changes.values()
    assert (change.what, change.employer, change.by_name) == ("employer_stopped", "emp_globex", True)
    assert "00000000-0000-7000-8000-000000000001" in database.links.due


async def test_a_change_of_name_or_domain_counts_and_an_older_record_does_not(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await says(client, "00000000-0000-7000-8000-000000000001", "globex")
    await joins(database, "Initech", version=2)
    await joins(database, "Globex", version=1)
    await blocks(database)
    assert choices(database).blocked_employers == ()
    await joins(database, "Globex", version=3)
    await blocks(database)
    assert choices(database).blocked_employers == ("emp_globex",)


async def test_a_vendor_is_nobody_to_block(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    await says(client, "00000000-0000-7000-8000-000000000001", "globex")
    await joins(database, kind="vendor")
    await blocks(database)
    assert choices(database).blocked_employers == ()


async def test_all_who_named_it_are_reached_batch_by_batch(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    for number in range(7):
        await says(client, f"c{number}", "globex")
    await joins(database)
    await blocks(database, most=3)
    assert {row.choices.blocked_employers for row in database.rows.values()} == {("emp_globex",)}


async def test_a_save_that_did_not_see_the_employer_yet_is_found_until_nobody_can_have_missed_it(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await joins(database)
    await blocks(database)
    await says(client, "00000000-0000-7000-8000-000000000001", "initech")
    database.rows["00000000-0000-7000-8000-000000000001"] = replace(
        database.rows["00000000-0000-7000-8000-000000000001"],
        choices=replace(choices(database), blocked_names=("globex",)),
    )
    assert isinstance(database.clock, FixedClock)
    database.clock.advance(timedelta(seconds=10))
    await blocks(database)
    assert choices(database).blocked_employers == ("emp_globex",)
    assert database.links.blocking != {}
    database.clock.advance(timedelta(minutes=3))
    await blocks(database)
    assert (database.links.blocking, database.links.blocks) == ({}, {})


async def test_typing_the_name_of_an_employer_that_is_here_blocks_it_at_once(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await joins(database)
    await says(client, "00000000-0000-7000-8000-000000000001", "GLOBEX")
    assert choices(database).blocked_employers == ("emp_globex",)
    assert database.rows["00000000-0000-7000-8000-000000000001"].version == 1


async def test_the_receipt_of_the_block_says_why(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    await says(client, "00000000-0000-7000-8000-000000000001", "globex")
    await joins(database)
    await blocks(database)
    address = f"/v1/receipts/{database.rows['00000000-0000-7000-8000-000000000001'].receipt}"
    record = (await client.get(address)).json()["record"]
    assert record["limits"]["blocked_employers"] == ["emp_globex"]
    assert record["limits"]["blocked_names"] == ["globex"]
    assert record["event"]["through"] == "name"
    assert "Blocked by name" in (await client.get(address, headers=PAGE)).text
    assert [change.by_name for change in database.links.changes.values()] == [True]


async def test_the_page_takes_names_one_a_line_and_shows_them(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    address = f"/confirm/{link('00000000-0000-7000-8000-000000000001', 'confirm')}"
    shown = served("00000000-0000-7000-8000-000000000001")
    form = {"purposes": "match", "blocked_names": "Globex\r\n\r\ninitech.com\r\n", "served": shown}
    saved = await client.post(address, data=form, headers=PAGE | {"Sec-Fetch-Dest": "document"})
    assert saved.status_code in (200, 303)
    assert choices(database).blocked_names == ("Globex", "initech.com")
    page = (await client.get(address, headers=PAGE)).text
    assert ">Globex\ninitech.com</textarea>" in page
    await client.post(address, data={"purposes": "match", "blocked_names": "", "served": shown}, headers=PAGE)
    assert choices(database).blocked_names == ()


async def test_a_wrong_name_comes_back_with_its_sentence(client: httpx.AsyncClient) -> None:
    form = {"purposes": "match", "blocked_names": "???"}
    page = await client.post(
        f"/confirm/{link('00000000-0000-7000-8000-000000000001', 'confirm')}", data=form, headers=PAGE
    )
    assert page.status_code == 422
    assert 'href="#blocked_names"' in page.text
    assert ">???</textarea>" in page.text


@pytest.mark.parametrize(("number", "ticked"), [(50, 50), (51, 1)])
async def test_of_hundreds_of_employers_only_the_blocked_ones_are_there_to_tick(
    client: httpx.AsyncClient, database: ConsentsDatabase, monkeypatch: pytest.MonkeyPatch, number: int, ticked: int
) -> None:
    many = {f"emp_{n}": f"Employer {n}" for n in range(number)}
    for known in list(EMPLOYERS):
        monkeypatch.delitem(EMPLOYERS, known)
    for known, name in many.items():
        monkeypatch.setitem(EMPLOYERS, known, name)
    address = f"/confirm/{link('00000000-0000-7000-8000-000000000001', 'confirm')}"
    await client.post(address, json={"purposes": ["match"], "blocked_employers": ["emp_7"]})
    page = (await client.get(address, headers=PAGE)).text
    assert page.count('name="blocked_employers" type="checkbox"') == ticked
    assert 'value="emp_7" checked' in page


async def test_a_name_that_nobody_has_is_not_shown_as_a_block_alone(client: httpx.AsyncClient) -> None:
    """Whoever types half of a name would think that they can't be seen by the other half."""
    ana = "00000000-0000-7000-8000-000000000001"
    form = {"served": served(ana), "purposes": ["match"], "blocked_names": "denver\nInitech\nacme robotics, inc."}
    saved = await client.post("/me", data=form, headers=PAGE | bearer(ana))
    for page in (saved.text, (await client.get("/me", headers=PAGE | bearer(ana))).text):
        assert "“denver” blocks nobody now" in page
        assert "Did you mean Denver Health?" in page
        assert "“Initech” blocks nobody now: no employer in Fairpool is called that." in page
        assert "inc.” blocks nobody" not in page
