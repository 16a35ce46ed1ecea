"""The vault's store behaves the same in memory and in PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import services.signup
from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.adapters.postgres import PostgresStore
from services.signup.model import Claim, Proposal, Stub
from services.signup.ports import MOST_PROPOSALS, Store
from services.signup.vault.sealing import Identity, seal_identity
from shared.contracts.signup import CoarseProfile
from shared.ids import new_candidate_id
from shared.messaging.unit import unit_of_work
from shared.postgres.migrate import PLUMBING, migrate
from shared.postgres.pool import open_pool
from shared.security.words import KeyPair
from tests.fakes.clock import NOON
from tests.fakes.signup import FakeStore

MIGRATIONS = Path(services.signup.__file__).parent / "migrations"
KEY = bytes(range(32))
PROFILE = CoarseProfile(occupations=("29-1141",), skills=("triage",), years=5)
Work = Callable[..., AbstractAsyncContextManager[Store]]


@pytest.fixture(params=["fake", "postgres"])
async def work(request: pytest.FixtureRequest) -> AsyncIterator[Work]:
    """Opens a unit of work at a time."""
    if request.param == "fake":
        fake = FakeStore()

        @asynccontextmanager
        async def in_memory(at: datetime = NOON) -> AsyncIterator[Store]:
            fake.at = at
            yield fake

        yield in_memory
        return
    pool = await open_pool(
        await request.getfixturevalue("servers").create_database(f"store_{id(request)}"), name="test"
    )
    await migrate(pool, PLUMBING, MIGRATIONS)
    keys = IntakeKeys(KEY)

    @asynccontextmanager
    async def in_postgres(at: datetime = NOON) -> AsyncIterator[Store]:
        async with unit_of_work(pool, at=at, source="signup") as unit:
            yield PostgresStore(unit, keys)

    yield in_postgres
    await pool.close()


def stub(address: bytes, until: datetime = NOON + timedelta(days=14)) -> Stub:
    return Stub(new_candidate_id(), address, until)


def proposal(candidate: str, vendor: str = "acme", record: str = "ana", *titles: str) -> Proposal:
    return Proposal(candidate, vendor, record, PROFILE, titles)


def claim(candidate: str, vendor: str = "acme", record: str = "1", *, registered: bool = True) -> Claim:
    return Claim(vendor, record, candidate, "emp_one", registered)


async def registered(work: Work, address: bytes = b"ana") -> str:
    """A stub with an identity and a claim."""
    one = stub(address)
    async with work() as store:
        assert await store.register([one]) == {one.candidate}
        await store.save_identities([seal_identity(one.candidate, Identity("a@b.example"), KeyPair.generate(), KEY)])
        await store.save_claims([claim(one.candidate, record=address.decode())])
    return one.candidate


async def test_the_first_to_register_an_address_has_it(work: Work) -> None:
    first, second = stub(b"ana"), stub(b"ana")
    async with work() as store:
        assert await store.register([first]) == {first.candidate}
    async with work() as store:
        assert await store.register([second]) == set()
        picture = await store.look_up([], [b"ana"])
    assert picture.addresses[b"ana"].candidate == first.candidate
    assert not picture.people[first.candidate].confirmed


async def test_people_are_found_by_record_and_by_address(work: Work) -> None:
    ana, bo = await registered(work, b"ana"), await registered(work, b"bo")
    async with work() as store:
        picture = await store.look_up([("acme", "ana"), ("acme", "nobody")], [b"bo"])
    assert set(picture.people) == {ana, bo}
    assert picture.claims == {("acme", "ana"): claim(ana, record="ana")}


async def test_a_record_claims_one_person_at_a_time(work: Work) -> None:
    ana, bo = await registered(work, b"ana"), await registered(work, b"bo")
    async with work() as store:
        await store.save_claims([claim(ana, record="ana", registered=False)])
        assert (await store.look_up([("acme", "ana")], [])).claims["acme", "ana"].registered
        await store.save_claims([claim(bo, record="ana", registered=False)])
        moved = (await store.look_up([("acme", "ana")], [])).claims["acme", "ana"]
    assert (moved.candidate, moved.registered) == (bo, False)


async def test_identities_come_back_as_they_went_in(work: Work) -> None:
    candidate = await registered(work)
    async with work() as store:
        rows = await store.identities([candidate, new_candidate_id()])
    assert list(rows) == [candidate]
    assert rows[candidate].candidate == candidate


async def test_a_stub_without_claims_is_erased_whole(work: Work) -> None:
    ana, bo = await registered(work, b"ana"), await registered(work, b"bo")
    async with work() as store:
        await store.ask_to_invite({ana: False})
        await store.remove_claims([("acme", "ana"), ("acme", "nobody")])
        await store.erase_unclaimed([bo, ana])
    async with work() as store:
        assert set((await store.look_up([], [b"ana", b"bo"])).people) == {bo}
        assert list(await store.identities([ana, bo])) == [bo]
        assert await store.take_to_invite(limit=10) == []


async def test_a_confirmed_person_is_neither_erased_nor_purged(work: Work) -> None:
    candidate = await registered(work)
    async with work() as store:
        (showing,) = (await store.showings([candidate])).values()
        await store.save_showings([replace(showing, confirmed=True, consent_version=1)])
        await store.remove_claims([("acme", "ana")])
        await store.erase_unclaimed([candidate])
        assert await store.purge_stubs(NOON + timedelta(days=99), limit=10) == 0
    async with work() as store:
        assert list(await store.showings([candidate])) == [candidate]


async def test_a_record_has_one_proposal_and_its_newest(work: Work) -> None:
    candidate = await registered(work)
    async with work() as store:
        await store.save_claims([claim(candidate, "bright", registered=False)])
        await store.save_proposals([proposal(candidate), proposal(candidate, "bright", "1", "Nurse")])
    async with work(NOON + timedelta(hours=1)) as store:
        await store.save_proposals([proposal(candidate, "acme", "ana", "Registered nurse", "Welder")])
        found = await store.proposals(candidate)
    assert [(one.proposal, one.employer, one.told_at - NOON) for one in found] == [
        (proposal(candidate, "acme", "ana", "Registered nurse", "Welder"), "emp_one", timedelta(hours=1)),
        (proposal(candidate, "bright", "1", "Nurse"), "emp_one", timedelta(0)),
    ]


async def test_a_proposal_goes_with_its_claim_and_moves_with_it(work: Work) -> None:
    ana, bo = await registered(work, b"ana"), await registered(work, b"bo")
    async with work() as store:
        await store.save_proposals([proposal(ana), proposal(bo, record="bo")])
        await store.save_claims([claim(ana, record="bo", registered=False)])
    async with work() as store:
        assert await store.proposals(bo) == []
        assert {one.proposal.record for one in await store.proposals(ana)} == {"ana", "bo"}
        await store.remove_claims([("acme", "ana")])
        assert [one.proposal.record for one in await store.proposals(ana)] == ["bo"]


async def test_who_has_spoken_gets_no_proposal(work: Work) -> None:
    candidate = await registered(work)
    async with work() as store:
        (showing,) = (await store.showings([candidate])).values()
        assert showing.profile is None
        assert not (await store.look_up([], [b"ana"])).people[candidate].has_spoken
        await store.save_showings([replace(showing, profile=CoarseProfile())])
        assert (await store.look_up([], [b"ana"])).people[candidate].has_spoken
        await store.save_proposals([proposal(candidate)])
        assert await store.proposals(candidate) == []


async def test_no_vendor_can_drown_what_another_proposes(work: Work) -> None:
    candidate = await registered(work)
    flood = [str(number) for number in range(MOST_PROPOSALS + 5)]
    async with work() as store:
        await store.save_claims([claim(candidate, "bright", "b", registered=False)])
        await store.save_proposals([proposal(candidate, "bright", "b")])
    async with work(NOON + timedelta(hours=1)) as store:
        await store.save_claims([claim(candidate, "flood", record, registered=False) for record in flood])
        await store.save_proposals([proposal(candidate, "flood", record) for record in flood])
        found = [one.proposal.vendor for one in await store.proposals(candidate)]
    assert len(found) == MOST_PROPOSALS
    assert found.count("bright") == 1


async def test_what_is_shown_is_kept_and_comes_due(work: Work) -> None:
    candidate = await registered(work)
    soon = NOON + timedelta(hours=1)
    async with work() as store:
        (before,) = (await store.showings([candidate])).values()
        after = replace(
            before, consent_version=3, confirmed=True, match_granted=True, profile=PROFILE, published=PROFILE,
            profile_version=1,
            ends_at=soon, look_again_at=soon,
        )  # fmt: skip
        await store.save_showings([after])
    async with work() as store:
        assert await store.showings([candidate]) == {candidate: after}
        assert await store.showings_due(limit=10) == []
    async with work(soon) as store:
        assert await store.showings_due(limit=10) == [after]


async def lose_mailbox(work: Work, candidate: str) -> None:
    """What the courier notes after a relay's word."""
    async with work() as store:
        if isinstance(store, PostgresStore):
            await store._connection.execute(
                "UPDATE candidates SET mailbox_gone_at = $2, look_again_at = $2 WHERE candidate = $1", candidate, NOON
            )
        else:
            (showing,) = (await store.showings([candidate])).values()
            await store.save_showings([replace(showing, mailbox_gone=True, look_again_at=NOON)])


async def test_a_lost_mailbox_is_looked_at_and_stays_lost_whatever_is_saved(work: Work) -> None:
    candidate = await registered(work)
    await lose_mailbox(work, candidate)
    async with work() as store:
        (due,) = await store.showings_due(limit=10)
        assert due.mailbox_gone
        await store.save_showings([replace(due, look_again_at=None, confirmed=True)])
    async with work() as store:
        assert (await store.showings([candidate]))[candidate].mailbox_gone


@pytest.mark.parametrize("by_join", [False, True])
async def test_a_lost_mailbox_is_invited_again_only_by_the_join_page(work: Work, by_join: bool) -> None:
    candidate = await registered(work)
    await lose_mailbox(work, candidate)
    async with work() as store:
        await store.ask_to_invite({candidate: by_join})
    async with work() as store:
        assert [one.candidate for one in await store.take_to_invite(limit=10)] == [candidate] * by_join
        assert await store.take_to_invite(limit=10) == [], "taken out of the queue either way"


async def test_an_invitation_is_taken_once_and_remembers_the_join_page(work: Work) -> None:
    candidate = await registered(work)
    async with work() as store:
        await store.ask_to_invite({candidate: True})
        await store.ask_to_invite({candidate: False})
    async with work() as store:
        (taken,) = await store.take_to_invite(limit=10)
        assert (taken.candidate, taken.by_join, taken.until) == (candidate, True, NOON + timedelta(days=14))
        assert await store.take_to_invite(limit=10) == []


async def test_an_invitation_knows_who_registered_the_person_and_else_who_claimed_them(work: Work) -> None:
    candidate = await registered(work)
    later = replace(claim(candidate, record="2", registered=False), vendor="bright", employer=None)
    introduced_by = []
    for gone in ("nobody", "ana"):
        async with work() as store:
            await store.save_claims([later])
            await store.remove_claims([("acme", gone)])
            await store.ask_to_invite({candidate: False})
        async with work() as store:
            introduced_by += [one.introduced_by for one in await store.take_to_invite(limit=10)]
    assert introduced_by == ["emp_one", "bright"]


async def test_invitations_are_counted_by_address(work: Work) -> None:
    async with work() as store:
        await store.note_invitations([b"slow"])
        await store.note_invitations([b"slow", b"other"])
        found = await store.past_invitations([b"slow", b"never"])
    assert found == {b"slow": 2}


async def test_a_stub_is_purged_when_its_time_is_over_and_can_be_prolonged(work: Work) -> None:
    ana, bo = await registered(work, b"ana"), await registered(work, b"bo")
    async with work() as store:
        await store.prolong([bo], NOON + timedelta(days=20))
        await store.prolong([bo], NOON)
        assert await store.purge_stubs(NOON + timedelta(days=15), limit=10) == 1
    async with work() as store:
        assert set((await store.look_up([("acme", "ana")], [b"ana", b"bo"])).people) == {bo}
        assert list(await store.identities([ana, bo])) == [bo]
