"""What consent does with what signup tells of candidates."""

from services.consent.handlers import on_candidate_registered
from shared.contracts.signup import CandidateRegisteredV1
from shared.messaging.envelope import Received, Record
from tests.fakes.clock import NOON
from tests.fakes.consent import ConsentsDatabase


def registered(candidate: str) -> Received[CandidateRegisteredV1]:
    event = CandidateRegisteredV1(candidate=candidate, at=NOON)
    return Received(f"e-{candidate}", "/fairpool/signup", NOON, event, Record("candidate-events", 0, 0, None, None, ()))


async def test_each_new_person_has_a_row_in_which_nothing_is_on(database: ConsentsDatabase) -> None:
    async with database.transaction() as consents:
        await on_candidate_registered(consents, [registered("c1"), registered("c2"), registered("c1")])
    assert {row.candidate: (row.version, row.choices.purposes) for row in database.rows.values()} == {
        "c1": (0, ()),
        "c2": (0, ()),
    }


async def test_a_registration_that_comes_late_or_twice_changes_nothing(database: ConsentsDatabase) -> None:
    async with database.transaction() as consents:
        present = await consents.lock("c1")
        await on_candidate_registered(consents, [registered("c1")])
        await on_candidate_registered(consents, [registered("c1")])
        assert await consents.read("c1") == present
