"""The text that a person answers: what was shown is recorded, a newer one asks again, and what ends is told before."""

from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import httpx
import pytest

from services.consent import jobs
from services.consent.adapters.writer import writer
from services.consent.decisions.agreements import HOLDS_FOR, REMINDED, first_reminder, next_reminder
from services.consent.handlers import on_candidate_hired
from services.consent.model import Agreements, Choices, Present
from shared.contracts.base import rfc3339
from shared.contracts.signup import CandidateHiredV1
from shared.messaging.envelope import Received, Record
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.consent import AGREED, ConsentsDatabase
from tests.fakes.consent_pages import LABELS, bearer, client_of, link, served
from tests.handlers.consent.test_preferences import form_of

ANA = "00000000-0000-7000-8000-000000000001"
CONFIRM = f"/confirm/{link(ANA, 'confirm')}"
PAGE = {"Accept": "text/html"}
DAY = timedelta(days=1)

_NEWER = replace(AGREED.original, version="2030-01", title="Newer words", text="newer", sha256="0" * 64)
NEWER = Agreements(
    MappingProxyType({"en": _NEWER}), MappingProxyType({**AGREED.signed, (_NEWER.version, _NEWER.language): _NEWER})
)
"""The next release's."""
writes_newer = writer(NEWER, where="https://signup.example/sign-in", home="https://consent.example")


@pytest.fixture
def clock(database: ConsentsDatabase) -> FixedClock:
    assert isinstance(database.clock, FixedClock)
    return database.clock


def present(database: ConsentsDatabase) -> Present:
    return database.rows[ANA]


def last(database: ConsentsDatabase) -> Any:
    return database.entries[-1].document


async def ask_again(database: ConsentsDatabase, version: str = NEWER.version) -> bool:
    async with database.transaction() as consents:
        return await jobs.ask_again(consents, writes_newer, version)


async def remind(database: ConsentsDatabase) -> bool:
    async with database.transaction() as consents:
        return await jobs.remind(consents)


async def test_what_a_page_showed_and_when_is_in_the_leaf_and_the_receipt(
    client: httpx.AsyncClient, database: ConsentsDatabase, clock: FixedClock
) -> None:
    form = form_of((await client.get(CONFIRM, headers=PAGE)).text) | {"purposes": ["match"]}
    clock.advance(timedelta(minutes=7))
    assert (await client.post(CONFIRM, data=form, headers=PAGE)).status_code == 303
    agreed = AGREED.original
    notice = {"version": agreed.version, "language": "en", "sha256": agreed.sha256, "served_at": rfc3339(NOON)}
    assert last(database)["ledger"]["committed"]["notice"] == notice
    assert last(database)["record"]["notice"] == {**notice, "text": agreed.text}
    assert (present(database).agreement, present(database).language) == (agreed.version, "en")


async def test_of_a_program_nobody_knows_what_was_shown(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    await client.post(CONFIRM, json={"purposes": ["match"], "agreement": AGREED.version, "language": "es"})
    notice = last(database)["record"]["notice"]
    assert (notice["version"], notice["language"], notice["served_at"]) == (AGREED.version, "es", None)
    assert notice["text"] == AGREED.in_force["es"].text


async def test_a_page_of_an_older_text_switches_nothing_on_and_says_so(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    form = form_of((await client.get(CONFIRM, headers=PAGE)).text) | {"purposes": ["match"]}
    async with client_of(database, agreements=NEWER) as later:
        answer = await later.post(CONFIRM, data=form, headers=PAGE)
        assert answer.status_code == 409
        assert "has new words since you opened this page" in answer.text
        assert "Newer words" in answer.text
        assert ANA not in database.rows or present(database).version == 0
        again = form_of(answer.text)
        assert again["purposes"] == ["", "match"]  # as it was ticked
        assert (await later.post(CONFIRM, data=again, headers=PAGE)).status_code == 303
    assert present(database).agreement == NEWER.version


async def test_what_a_page_of_an_older_text_switches_off_is_off_by_the_text_it_was_on_by(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(CONFIRM, json={"purposes": ["match", "contact"]})
    form = form_of((await client.get(CONFIRM, headers=PAGE)).text) | {"purposes": ["match"]}
    async with client_of(database, agreements=NEWER) as later:
        assert (await later.post(CONFIRM, data=form, headers=PAGE)).status_code == 409
        assert present(database).choices.purposes == ("match",)
        assert last(database)["record"]["notice"]["version"] == AGREED.version
        assert (await later.post(CONFIRM, data=form | {"purposes": [""]}, headers=PAGE)).status_code == 200
    assert present(database).choices.purposes == ()


async def test_a_program_that_showed_another_text_is_told(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    answer = await client.post(CONFIRM, json={"purposes": ["match"], "agreement": "2026-12"})
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("other-agreement")
    assert present(database).version == 0
    assert (await client.post(CONFIRM, json={"purposes": [], "agreement": "2026-12"})).status_code == 200


@pytest.mark.parametrize(
    "label",
    [
        "",
        "not-one-of-ours",
        served("00000000-0000-7000-8000-000000000002"),
        LABELS.of(ANA, replace(AGREED.original, version="2026-12"), NOON),
    ],
)
async def test_a_page_that_does_not_say_what_it_showed_switches_nothing_on(
    client: httpx.AsyncClient, database: ConsentsDatabase, label: str
) -> None:
    answer = await client.post(CONFIRM, data={"purposes": "match", "served": label}, headers=PAGE)
    assert answer.status_code == 409
    assert present(database).version == 0


async def test_a_newer_text_asks_once_and_ends_what_holds_in_sixty_days(
    client: httpx.AsyncClient, database: ConsentsDatabase, clock: FixedClock
) -> None:
    await client.post(CONFIRM, json={"purposes": ["match"], "ends_at": rfc3339(NOON + 300 * DAY)})
    assert not await ask_again(database, AGREED.version)
    assert database.links.questions == []  # it is the text they signed
    assert not await ask_again(database)
    assert not await ask_again(database)
    (question,) = database.links.questions
    assert (question.candidate, question.about, question.ends_at) == (ANA, "agreement_renewed", NOON + HOLDS_FOR)
    assert (present(database).choices.ends_at, present(database).own_end) == (NOON + HOLDS_FOR, NOON + 300 * DAY)
    assert present(database).choices.purposes == ("match",)
    record = last(database)["record"]
    assert record["event"]["by"] == "Fairpool, because a newer agreement asks again"
    assert (record["notice"]["version"], record["notice"]["text"]) == (AGREED.version, AGREED.original.text)


async def test_who_signs_the_newer_text_keeps_the_end_they_had_chosen(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(CONFIRM, json={"purposes": ["match"], "ends_at": rfc3339(NOON + 300 * DAY)})
    await ask_again(database)
    async with client_of(database, agreements=NEWER) as later:
        page = (await later.get(CONFIRM, headers=PAGE)).text
        assert "The agreement has new words." in page and f"those named {AGREED.version}" in page
        assert f"It is named {NEWER.version}; that is its name, not the day it takes effect" in page
        form = form_of(page)
        assert (await later.post(CONFIRM, data=form, headers=PAGE)).status_code == 303
        assert "The agreement has new words." not in (await later.get(CONFIRM, headers=PAGE)).text
    kept = present(database)
    assert (kept.agreement, kept.choices.ends_at, kept.own_end) == (NEWER.version, NOON + 300 * DAY, None)


async def test_by_what_signup_did_not_state_no_newer_text_is_signed(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(CONFIRM, json={"purposes": ["match"], "ends_at": rfc3339(NOON + 300 * DAY)})
    await ask_again(database)
    async with client_of(database, agreements=NEWER) as later:
        asked = {"purposes": ["match"], "agreement": NEWER.version}
        refused = await later.post("/me", json=asked, headers=bearer(ANA, said_by=None))
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:fairpool:problem:link-too-old")
        assert (present(database).agreement, present(database).choices.ends_at) == (AGREED.version, NOON + HOLDS_FOR)
        assert (await later.post(CONFIRM, json=asked)).status_code == 200
    assert present(database).agreement == NEWER.version


async def test_a_program_that_names_no_text_signs_none_for_whoever_signed_an_older_one(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(CONFIRM, json={"purposes": ["match", "contact"]})
    await ask_again(database)
    async with client_of(database, agreements=NEWER) as later:
        answer = await later.post(CONFIRM, json={"purposes": ["match"]})
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (409, "other-agreement")
        assert NEWER.version in answer.json()["detail"]
        kept = present(database)
        assert (kept.agreement, kept.choices.purposes) == (AGREED.version, ("match",)), "what it switched off is off"
        assert (await later.post(CONFIRM, json={"purposes": []})).status_code == 200


async def test_the_same_choices_under_a_newer_text_are_signed_anew(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(CONFIRM, json={"purposes": ["match"], "ends_at": rfc3339(NOON + 20 * DAY)})
    await ask_again(database)
    assert (present(database).version, present(database).own_end) == (1, None)  # it ends earlier anyway
    again = {"purposes": ["match"], "agreement": NEWER.version}
    async with client_of(database, agreements=NEWER) as later:
        assert (await later.post(CONFIRM, json=again)).json()["version"] == 2
        assert (await later.post(CONFIRM, json=again)).json()["version"] == 2
    assert present(database).agreement == NEWER.version


async def test_what_a_link_stops_under_a_newer_text_is_recorded_by_the_text_that_was_signed(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(CONFIRM, json={"purposes": ["match"]})
    await ask_again(database)
    async with client_of(database, agreements=NEWER) as later:
        await later.post(f"/u/{link(ANA, 'unsubscribe', employer='emp_acme')}", data={"scope": "employer"})
    assert last(database)["record"]["notice"]["version"] == AGREED.version
    assert present(database).own_end is not None


async def test_who_allows_nothing_is_not_asked_again(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    await client.post(CONFIRM, json={"purposes": []})
    await ask_again(database)
    assert database.links.questions == []
    assert present(database).version == 1


async def test_an_end_is_told_thirty_and_seven_days_before(
    client: httpx.AsyncClient, database: ConsentsDatabase, clock: FixedClock
) -> None:
    ends_at = NOON + 100 * DAY
    await client.post(CONFIRM, json={"purposes": ["match"], "ends_at": rfc3339(ends_at)})
    told: list[datetime] = []
    for before in (31, 30, 29, 8, 7, 6, 0):
        clock.at(ends_at - before * DAY)
        await remind(database)
        told += [clock.now()] * (len(database.links.questions) - len(told))
    assert told == [ends_at - before for before in REMINDED]
    assert {(one.about, one.ends_at) for one in database.links.questions} == {("ending", ends_at)}


async def test_what_was_stopped_is_not_told_to_end(
    client: httpx.AsyncClient, database: ConsentsDatabase, clock: FixedClock
) -> None:
    await client.post(CONFIRM, json={"purposes": ["match"], "ends_at": rfc3339(NOON + 100 * DAY)})
    await client.post(CONFIRM, json={"purposes": []})
    clock.at(NOON + 71 * DAY)
    await remind(database)
    assert database.links.questions == []


@pytest.mark.parametrize(("days", "first"), [(400, 370), (31, 1), (30, 23), (8, 1), (7, None), (1, None)])
def test_the_first_reminder_is_the_first_that_lies_ahead(days: int, first: int | None) -> None:
    choices = Choices(purposes=("match",), ends_at=NOON + days * DAY)
    assert next_reminder(choices, NOON) == (None if first is None else NOON + first * DAY)
    assert first_reminder(choices, NOON) == NOON + (days if first is None else first) * DAY, "or else the end is told"


@pytest.mark.parametrize("slept_until", [50, 100, 130])
async def test_an_end_that_was_slept_through_is_told_once(
    client: httpx.AsyncClient, database: ConsentsDatabase, clock: FixedClock, slept_until: int
) -> None:
    """A clock that jumps over the moments to remind, or a job that stood still: late before the end, or after it."""
    ends_at = NOON + 55 * DAY
    await client.post(CONFIRM, json={"purposes": ["match"], "ends_at": rfc3339(ends_at)})
    clock.at(NOON + slept_until * DAY)
    for _ in range(3):
        await remind(database)
        clock.advance(DAY)
    assert [(one.about, one.ends_at) for one in database.links.questions] == [("ending", ends_at)]


async def test_an_end_too_near_to_be_told_before_is_told_when_it_is_there(
    client: httpx.AsyncClient, database: ConsentsDatabase, clock: FixedClock
) -> None:
    ends_at = NOON + 3 * DAY
    await client.post(CONFIRM, json={"purposes": ["match"], "ends_at": rfc3339(ends_at)})
    clock.at(ends_at - DAY)
    await remind(database)
    assert database.links.questions == []
    clock.at(ends_at)
    await remind(database)
    assert [one.ends_at for one in database.links.questions] == [ends_at]


def hired(at: datetime = NOON) -> list[Received[CandidateHiredV1]]:
    event = CandidateHiredV1(candidate=ANA, vendor="ven_one", employer="emp_acme", at=at)
    return [Received("e1", "/fairpool/signup", at, event, Record("candidate-events", 0, 0, None, None, ()))]


async def test_a_hire_asks_once_a_month_and_changes_nothing(
    client: httpx.AsyncClient, database: ConsentsDatabase, clock: FixedClock
) -> None:
    async def tell() -> None:
        async with database.transaction() as consents:
            await on_candidate_hired(consents, hired())

    await tell()
    assert database.links.questions == []  # who allows nothing has nothing to decide
    await client.post(CONFIRM, json={"purposes": ["match"]})
    for day in (0, 0, 29, 30, 31):
        clock.at(NOON + day * DAY)
        await tell()
    assert [(one.about, one.told_by) for one in database.links.questions] == [("hired", "emp_acme")] * 2
    assert (present(database).version, present(database).choices.purposes) == (1, ("match",))


async def test_global_privacy_control_is_noted_for_its_exact_value_alone(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    for weeks, value in enumerate(("0", "true", "1, 1", "1"), start=1):
        given = {"purposes": ["match"], "ends_at": rfc3339(NOON + weeks * 7 * DAY)}
        await client.post(CONFIRM, json=given, headers={"Sec-GPC": value})
        signal = "Sec-GPC: 1" if value == "1" else None
        assert last(database)["record"]["event"].get("signal") == signal
        assert last(database)["ledger"]["committed"].get("signal") == signal
