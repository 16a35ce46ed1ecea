"""Signup tells from when a person's links count: what lies in a mailbox that they have left opens nothing here, and goes on to stop."""

import itertools
from datetime import datetime, timedelta

import httpx

from services.consent.handlers import on_links_voided
from shared.contracts.signup import LinksVoidedV1
from shared.messaging.envelope import Received, Record
from tests.fakes.clock import NOON
from tests.fakes.consent import ConsentsDatabase
from tests.fakes.consent_pages import ANA, link

PAGE = {"Accept": "text/html"}
HOUR = timedelta(hours=1)
OLD = link(ANA, "confirm", issued_at=NOON - HOUR)
UNDATED = link(ANA, "confirm", issued_at=None)
NEW = link(ANA, "confirm", issued_at=NOON)
ALLOWS = {"purposes": ["match"]}


def voided(before: datetime, until: datetime = NOON + 300 * HOUR, candidate: str = ANA) -> Received[LinksVoidedV1]:
    event = LinksVoidedV1(candidate=candidate, before=before, until=until)
    return Received("e", "/fairpool/signup", NOON, event, Record("sessions", 0, 0, None, None, ()))


async def hears(database: ConsentsDatabase, *told: Received[LinksVoidedV1]) -> None:
    async with database.transaction() as consents:
        await on_links_voided(consents, told)


async def test_a_link_of_before_shows_changes_and_reads_nothing_and_one_of_after_does(
    stranger: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    receipt = (await stranger.post(f"/confirm/{OLD}", json=ALLOWS)).json()["receipt"]
    assert (await stranger.get(f"/v1/receipts/{receipt}?token={OLD}")).status_code == 200
    await hears(database, voided(NOON))
    for token in (OLD, UNDATED):
        answers = [
            await stranger.get(f"/confirm/{token}", headers={"Accept": "application/json"}),
            await stranger.post(f"/confirm/{token}", json={"purposes": ["match", "contact"]}),
            await stranger.post(f"/confirm/{token}", json={"purposes": []}),
            await stranger.get(f"/v1/receipts/{receipt}?token={token}"),
            await stranger.get(f"/v1/receipts/{receipt}", headers={"Authorization": f"Bearer {token}"}),
        ]
        assert [(one.status_code, one.json()["type"][-9:]) for one in answers] == [(410, "link-void")] * len(answers)
    page = await stranger.get(f"/confirm/{OLD}", headers=PAGE)
    assert page.status_code == 410 and "no longer opens anything" in page.text and "/sign-in" in page.text
    assert database.rows[ANA].choices.purposes == ("match",) and database.rows[ANA].version == 1
    assert (await stranger.get(f"/v1/receipts/{receipt}?token={NEW}")).status_code == 200
    assert (await stranger.post(f"/confirm/{NEW}", json={"purposes": []})).status_code == 200


async def test_an_unsubscribe_link_of_before_goes_on_to_stop(
    stranger: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await stranger.post(f"/confirm/{NEW}", json={"purposes": ["match", "contact"]})
    await hears(database, voided(NOON + HOUR))
    out = f"/u/{link(ANA, 'unsubscribe', employer='emp_acme', issued_at=NOON)}"
    assert (await stranger.get(out, headers=PAGE)).status_code == 200
    assert (await stranger.post(out)).status_code == 200
    assert database.rows[ANA].choices.purposes == ()


async def test_told_twice_in_any_order_or_of_nobody_known_the_latest_moment_counts(database: ConsentsDatabase) -> None:
    for moments in itertools.permutations([NOON - 3 * HOUR, NOON - HOUR, NOON - 2 * HOUR]):
        database.links.void_links.clear()
        for moment in moments:
            await hears(database, voided(moment), voided(moment))
        async with database.transaction() as consents:
            assert (await consents.read(ANA)).links_from == NOON - HOUR
            assert (await consents.read("00000000-0000-7000-8000-000000000002")).links_from is None
