"""What can be switched on by which link: each yes is written with what signup states of the link it came by."""

from datetime import datetime, timedelta
from typing import get_args

import httpx
import pytest

from services.consent.api.visits import PageDoor
from services.consent.model import Present
from shared.security.links import WIDENS, Link, LinkSigner
from shared.security.statements import StatementReader, StatementSigner
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.consent import SIGN_IN, ConsentsDatabase
from tests.fakes.consent_pages import SEED, SUBJECT_KEY, bearer
from tests.signing import PUBLIC, seed_of

ANA = "00000000-0000-7000-8000-000000000001"
PAGE = {"Accept": "text/html"}
BOTH = {"purposes": ["match", "contact"]}
NEW_LINK = f'href="{SIGN_IN}"'


def by(made: datetime) -> dict[str, str]:
    """Signed in at noon or then, whichever is later, by a link that was made then."""
    return bearer(ANA, at=max(NOON, made), said_by=made)


def row(database: ConsentsDatabase) -> Present:
    return database.rows[ANA]


def hours_pass(database: ConsentsDatabase) -> datetime:
    assert isinstance(database.clock, FixedClock)
    database.clock.advance(timedelta(hours=2))
    return database.clock.now()


def test_a_page_on_which_a_yes_can_be_said_opens_by_links_that_bring_a_statement() -> None:
    assert set(get_args(PageDoor)) == WIDENS


async def test_a_yes_is_written_with_the_statement_of_its_link_and_a_no_without(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post("/me", json=BOTH)
    stated = row(database).statement
    assert stated is not None
    assert StatementReader(PUBLIC["signup"]).holds(ANA, stated.value)
    assert (row(database).said_at, row(database).stopped_at) == (NOON, None)
    later = hours_pass(database)
    await client.post("/me", json={"purposes": []})
    assert (row(database).statement, row(database).said_at, row(database).stopped_at) == (None, None, later)


@pytest.mark.parametrize(("by_session", "signed_by"), [(False, None), (False, "consent"), (True, None)])
async def test_by_what_signup_did_not_state_everything_goes_off_and_nothing_on(
    client: httpx.AsyncClient, database: ConsentsDatabase, by_session: bool, signed_by: str | None
) -> None:
    """A link that nobody stated, or another than signup did, and a session that such a link was spent for."""
    states = StatementSigner(seed_of(signed_by)) if signed_by else None
    made = Link(ANA, "confirm", NOON + timedelta(hours=1), issued_at=NOON)
    address = "/me" if by_session else f"/confirm/{LinkSigner(SEED, SUBJECT_KEY, states).sign(made)}"
    old = bearer(ANA, said_by=None)
    assert (await client.get(address, headers=PAGE | old)).status_code == 200
    answer = await client.post(address, json=BOTH, headers=old)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:fairpool:problem:link-too-old")
    assert SIGN_IN in answer.json()["detail"]
    assert ANA not in database.rows or row(database).version == 0
    await client.post("/me", json=BOTH)
    assert (await client.post(address, json={"purposes": ["match"]}, headers=old)).status_code == 200
    assert row(database).choices.purposes == ("match",)


async def test_after_a_no_the_page_says_that_its_link_is_too_old_and_leads_to_a_new_one(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post("/me", json=BOTH)
    now = hours_pass(database)
    stopped = await client.post("/me", data={"action": "stop"}, headers=PAGE)
    assert NEW_LINK in stopped.text.partition("Switch something on")[0], "the button leads to a new link"
    shown = await client.get("/me", headers=PAGE)
    assert "can’t switch anything on" in shown.text
    assert NEW_LINK in shown.text
    refused = await client.post("/me", data={"action": "save", "purposes": ["match"], "version": 2}, headers=PAGE)
    assert (refused.status_code, "too old to switch anything on" in refused.text) == (403, True)
    assert row(database).choices.purposes == ()
    assert "can’t switch anything on" not in (await client.get("/me", headers=PAGE | by(now))).text
    assert (await client.post("/me", json=BOTH, headers=by(now))).status_code == 200


@pytest.mark.parametrize("is_page", [True, False])
async def test_a_link_that_is_too_old_for_a_part_of_what_is_asked_takes_back_the_rest(
    client: httpx.AsyncClient, database: ConsentsDatabase, is_page: bool
) -> None:
    await client.post("/me", json={"purposes": ["match", "contact"]})
    hours_pass(database)
    await client.post("/me", json={"purposes": ["contact"]})
    asked = {"purposes": ["match"], "blocked_employers": ["emp_acme"]}
    if is_page:
        answer = await client.post("/me", data={"action": "save", "version": 2, **asked}, headers=PAGE)
        assert "is off and blocked" in answer.text
        assert "disabled" in answer.text.partition('value="match"')[2].partition(">")[0], "it can't be ticked"
    else:
        answer = await client.post("/me", json=asked)
        assert "is off and blocked" in answer.json()["detail"]
    assert answer.status_code == 403
    kept = row(database).choices
    assert (kept.purposes, kept.blocked_employers) == ((), ("emp_acme",))
    again = await client.post("/me", json={"purposes": ["match"]})
    assert "Nothing was changed" in again.json()["detail"]
    assert row(database).version == 3


async def test_who_said_no_at_first_may_say_yes_by_the_same_link(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post("/me", json={"purposes": []})
    hours_pass(database)
    assert (await client.post("/me", json=BOTH)).status_code == 200


async def test_what_went_off_within_seconds_of_the_link_may_go_on_again_by_it(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    for purposes in (["match", "contact"], [], ["match"]):
        assert (await client.post("/me", json={"purposes": purposes})).status_code == 200
    assert row(database).choices.purposes == ("match",)


async def test_the_newest_link_stands_beside_what_is_on_whichever_widened_it_last(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    """A reader may not have seen the version in between."""
    await client.post("/me", json={**BOTH, "blocked_employers": ["emp_acme"]})
    await client.post("/me", json={"purposes": ["match"]})
    now = hours_pass(database)
    await client.post("/me", json=BOTH, headers=by(now))
    newest = row(database).statement
    await client.post("/me", json={**BOTH, "blocked_employers": []})
    assert row(database).choices.blocked_employers == ()
    assert row(database).statement == newest
    assert newest is not None
    assert newest.issued_at == now
