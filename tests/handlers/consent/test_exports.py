"""What a person takes along of consent: all of it, page by page, sealed to the key that was made for it."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.consent import jobs
from services.consent.api.taken_along import Shapes
from services.consent.decisions import exports as taken
from services.consent.decisions.records import commitment
from services.consent.handlers import on_export_requested
from services.consent.model import Choices, Present
from shared.contracts.base import rfc3339
from shared.contracts.pool_matching import Criteria, PoolChangedV1
from shared.contracts.signup import ExportRequestedV1
from shared.facts import fact
from shared.messaging.envelope import Received, Record
from shared.runner.model import Job
from shared.security import encoding
from shared.security.boxes import CannotOpenError
from shared.security.parts import LARGEST, open_part, unpack
from shared.security.words import KeyPair
from tests.fakes.clock import NOON
from tests.fakes.consent import ConsentsDatabase, writes
from tests.fakes.consent_pages import EMPLOYERS
from tests.fakes.exports import FakeAnswers
from tests.ports.test_messages_store import decided
from tests.ports.test_told import ANA, BO, disclosed, is_in

PAIR = KeyPair.generate()
SHAPES = Shapes(lambda one: fact(EMPLOYERS.get(one)))
ALLOWED = Choices(
    purposes=("match", "contact"), blocked_employers=("emp_acme",), blocked_names=("Initech",), ends_at=NOON + timedelta(days=90)
)  # fmt: skip


def request(candidate: str = ANA, export: str = "x_1") -> ExportRequestedV1:
    return ExportRequestedV1(
        candidate=candidate, export=export, at=NOON, expires_at=NOON + timedelta(days=3), public_key=PAIR.public
    )


def job(asked: ExportRequestedV1) -> Job:
    payload = {"candidate": asked.candidate, "public_key": asked.public_key, "until": asked.expires_at.isoformat()}
    return Job(asked.export, NOON, 1, payload)


async def answered(database: ConsentsDatabase, kept: FakeAnswers | None = None, **fields: Any) -> FakeAnswers:
    async with database.transaction() as consents:
        exports = replace(kept, consents=consents) if kept else FakeAnswers(consents)
        await jobs.on_exports(exports, [job(request(**fields))], SHAPES)
    return exports


def opened(exports: FakeAnswers) -> dict[str, Any]:
    files = unpack([open_part(one.sealed, PAIR, context=one.context) for one in exports.said])
    return {name: json.loads(content) for name, content in files.items()}


async def allows(database: ConsentsDatabase, *several: Choices, who: str = ANA) -> None:
    for choices in several:
        async with database.transaction() as consents:
            present = await consents.lock(who)
            await consents.append(writes(present, choices, consents.at, "me"))


@pytest.fixture
def kept(database: ConsentsDatabase) -> FakeAnswers:
    """With nothing in it."""
    return FakeAnswers(consents=None)  # type: ignore[arg-type]  # given with each transaction


async def test_who_asks_is_answered_by_the_runner(database: ConsentsDatabase) -> None:
    async with database.transaction() as consents:
        exports = FakeAnswers(consents)
        heard = [Received("e", "/fairpool/signup", NOON, request(), Record("exports", 0, 0, None, None, ()))]
        await on_export_requested(exports, heard * 2)
    assert exports.asked == {"x_1": request()} and exports.said == []


async def test_every_receipt_is_there_and_verifies(database: ConsentsDatabase) -> None:
    await allows(database, ALLOWED, replace(ALLOWED, purposes=("match",)), Choices())
    files = opened(await answered(database))
    grants = files["grants.json"]
    assert grants["complete"] and [one["ledger"]["committed"]["version"] for one in grants["items"]] == [3, 2, 1]
    for one in grants["items"]:
        ledger = one["ledger"]
        assert commitment(encoding.decode(ledger["opening"]), ledger["committed"]).hex() == ledger["leaf"]
    assert grants["allowed"]["purposes"] == [] and grants["version"] == 3


async def test_the_guidelines_say_to_whom_the_profile_may_go(database: ConsentsDatabase) -> None:
    await allows(database, ALLOWED)
    told = opened(await answered(database))["distribution-guidelines.json"]["distributionGuidelines"]
    assert told["doNotRedistributeIndicator"] is True
    assert [one["organization"]["name"] for one in told["doNotDistributeTo"]] == ["Acme Robotics", "Initech"]
    (to,) = told["distributeTo"]
    assert to["endDate"] == "2027-02-21" and "startDate" not in to
    await allows(database, Choices(blocked_names=("Initech",)))
    told = opened(await answered(database))["distribution-guidelines.json"]["distributionGuidelines"]
    assert told["distributeTo"] == [] and len(told["doNotDistributeTo"]) == 1


async def test_ten_thousand_disclosures_are_read_in_pages_and_leave_in_parts(
    database: ConsentsDatabase, kept: FakeAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await allows(database, ALLOWED)
    await kept.tellings.note_disclosures([disclosed(NOON - number * timedelta(minutes=1)) for number in range(10_000)])
    await kept.tellings.note_memberships([(is_in(1, ("p_a", NOON)), NOON)])
    pages: list[int] = []
    read = kept.tellings.disclosures

    async def counted(candidate: str, most: int, **place: Any) -> Any:
        pages.append(most)
        return await read(candidate, most, **place)

    monkeypatch.setattr(kept.tellings, "disclosures", counted)
    exports = await answered(database, kept)
    told = opened(exports)["disclosures.json"]
    assert told["complete"] and len(told["items"]) == 10_000 and len(told["pools"]) == 1
    assert set(pages) == {500} and len(pages) == 21
    assert len(exports.said) > 3 and max(len(one.sealed) for one in exports.said) < 400_000
    assert [(one.part, one.parts) for one in exports.said] == [
        (number, len(exports.said)) for number in range(1, len(exports.said) + 1)
    ]


async def test_a_list_that_is_too_long_says_so_and_keeps_the_latest(
    database: ConsentsDatabase, kept: FakeAnswers
) -> None:
    await kept.tellings.note_disclosures([disclosed(NOON - number * timedelta(minutes=1)) for number in range(20_600)])
    told = opened(await answered(database, kept))["disclosures.json"]
    assert not told["complete"] and 15_000 < len(told["items"]) <= 20_000
    assert told["items"][0]["at"] == "2026-11-23"


async def test_who_is_in_very_many_pools_is_answered_too_and_told_that_the_oldest_are_left_out(
    database: ConsentsDatabase, kept: FakeAnswers
) -> None:
    criteria = Criteria(skills_any=tuple(f"a skill with a long name {number}" for number in range(60)))
    names = [f"p_{number}" for number in range(7_000)]
    await kept.tellings.note_pools(
        [PoolChangedV1(pool=one, version=1, employer="emp_a", name="Nurses", criteria=criteria) for one in names]
    )
    await kept.tellings.note_memberships(
        [(is_in(1, *((one, NOON - place * timedelta(minutes=1)) for place, one in enumerate(names))), NOON)]
    )
    told = opened(await answered(database, kept))["disclosures.json"]
    assert not told["complete"] and 200 < len(told["pools"]) < 7_000 and told["items"] == []
    assert told["pools"][0]["since"] == rfc3339(NOON), "the newest are there"
    assert "its oldest entries are left out" in told["about"]


def test_all_lists_together_fit_what_parts_hold_with_room_for_what_is_no_list() -> None:
    lists = (taken.receipts(), taken.disclosures(), taken.pools(), taken.messages())
    assert sum(one.most_bytes for one in lists) <= LARGEST - taken.MIB // 2


async def test_messages_are_as_their_person_reads_them(database: ConsentsDatabase, kept: FakeAnswers) -> None:
    await kept.messages.keep_decisions([decided("o_1", ANA, 1, "delayed"), decided("o_2", BO, 1, "delayed")])
    told = opened(await answered(database, kept))["messages.json"]
    assert [(one["id"], one["state"], one["employer"]["name"]) for one in told["items"]] == [
        ("o_1", "waiting", "Acme Robotics")
    ]


async def test_whoever_was_erased_is_not_answered_nor_what_nobody_waits_for(database: ConsentsDatabase) -> None:
    database.rows[ANA] = Present(ANA, "", is_closed=True)
    assert (await answered(database)).said == []
    del database.rows[ANA]
    assert (await answered(database)).said != []
    async with database.transaction() as consents:
        exports = FakeAnswers(consents, at=NOON + timedelta(days=3))
        await jobs.on_exports(exports, [job(request())], SHAPES)
    assert exports.said == []


async def test_nobody_else_opens_it_and_no_part_opens_in_anothers_place(database: ConsentsDatabase) -> None:
    await allows(database, ALLOWED)
    (part,) = (await answered(database)).said
    with pytest.raises(CannotOpenError):
        open_part(part.sealed, KeyPair.generate(), context=part.context)
    with pytest.raises(CannotOpenError):
        open_part(part.sealed, PAIR, context=part.model_copy(update={"candidate": BO}).context)
