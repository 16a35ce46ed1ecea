"""The vault's store behaves the same in memory and in PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.signup.adapters.postgres import PostgresStore
from services.signup.decisions import quota
from services.signup.model.invitations import Asked, Lapse, PastInvitations
from services.signup.model.provenance import Origin, Teller, ValueOrigin
from services.signup.model.records import Claim, Proposal, Stub
from services.signup.model.reports import Deletion, KeptReport
from services.signup.ports.store import LANES, MOST_PROPOSALS, Store
from services.signup.vault.epochs import Epochs
from services.signup.vault.hashing import Prefix, SlowHash, Suspected
from services.signup.vault.sealing import Identity, seal_identity
from shared.contracts.signup import JOIN, CandidateMergedV1, CandidateReportedV1, CoarseProfile
from shared.ids import new_candidate_id
from shared.messaging.unit import unit_of_work
from shared.security.words import KeyPair
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.fakes.keeper import intake_keys
from tests.fakes.signup import FakeStore

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
    keys = intake_keys(KEY)
    databases: Databases = request.getfixturevalue("databases")

    async with databases.pool(*MIGRATIONS_OF["signup"]) as pool:

        @asynccontextmanager
        async def in_postgres(at: datetime = NOON) -> AsyncIterator[Store]:
            async with unit_of_work(pool, at=at, source="signup") as unit:
                yield PostgresStore(unit, keys)

        yield in_postgres


async def asked(store: Store) -> list[Asked]:
    """Who is to be invited, as the runner takes them."""
    if isinstance(store, FakeStore):
        jobs = store.take_invitations()
        return [Asked(job.key, job.lane == LANES[0], job.run_at) for job in jobs]
    assert isinstance(store, PostgresStore)
    rows = await store._connection.fetch("DELETE FROM work WHERE queue = 'invitations' RETURNING key, lane, run_at")
    return [Asked(row["key"], row["lane"] == LANES[0], row["run_at"]) for row in rows]


async def showings_scheduled(store: Store) -> dict[str, datetime]:
    if isinstance(store, FakeStore):
        return dict(store.to_look_at)
    assert isinstance(store, PostgresStore)
    rows = await store._connection.fetch("SELECT key, run_at FROM work WHERE queue = 'showings'")
    return {row["key"]: row["run_at"] for row in rows}


async def forget_work(store: Store) -> None:
    """As a backup does that was made before."""
    if isinstance(store, FakeStore):
        store.to_look_at.clear()
    else:
        assert isinstance(store, PostgresStore)
        await store._connection.execute("DELETE FROM work")


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
        await store.save_identities(
            [seal_identity(one.candidate, Identity("a@b.example"), KeyPair.generate(), Epochs({1: KEY}))]
        )
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
        await store.ask_to_invite({ana: "acme"})
        await store.remove_claims([("acme", "ana"), ("acme", "nobody")])
        assert await store.lapse_unclaimed([bo, ana]) == [Lapse(ana, "deleted", NOON)]
    async with work() as store:
        assert await store.lapse_unclaimed([bo, ana]) == []
        assert [known.lapsing for known in (await store.look_up([], [b"ana"])).people.values()] == [True]
        assert await store.to_invite(await asked(store)) == []
        assert await store.erase_lapsed([bo, ana, new_candidate_id()]) == [ana]
        assert await store.erase_lapsed([ana]) == []
    async with work() as store:
        assert set((await store.look_up([], [b"ana", b"bo"])).people) == {bo}
        assert list(await store.identities([ana, bo])) == [bo]
        assert await store.to_invite(await asked(store)) == []


async def test_a_confirmed_person_is_neither_erased_nor_purged(work: Work) -> None:
    candidate = await registered(work)
    async with work() as store:
        (showing,) = (await store.showings([candidate])).values()
        await store.save_showings([replace(showing, confirmed=True, consent_version=1)])
        await store.remove_claims([("acme", "ana")])
        assert await store.lapse_unclaimed([candidate]) == []
    async with work(NOON + timedelta(days=99)) as store:
        assert await store.lapse_expired(limit=10) == []
        assert await store.erase_lapsed([candidate]) == []
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


async def test_who_has_spoken_is_proposed_what_is_told_later(work: Work) -> None:
    candidate = await registered(work)
    async with work() as store:
        (showing,) = (await store.showings([candidate])).values()
        assert showing.profile is None
        assert not (await store.look_up([], [b"ana"])).people[candidate].has_spoken
        await store.save_showings([replace(showing, profile=CoarseProfile())])
        assert (await store.look_up([], [b"ana"])).people[candidate].has_spoken
        await store.save_proposals([proposal(candidate)])
        assert [one.answered_at for one in await store.proposals(candidate)] == [None]


async def test_where_a_claim_and_its_proposal_came_from_is_kept_and_goes_on_with_a_merge(work: Work) -> None:
    candidate = await registered(work)
    origin = Origin("evt-1", "signature", NOON)
    async with work() as store:
        await store.save_claims([replace(claim(candidate, record="ana"), origin=origin)])
        await store.save_proposals([replace(proposal(candidate), origin=origin)])
        await store.hand_over({("acme", "ana"): ("acme", "goes on")})
        (one,) = await store.proposals(candidate)
    assert (one.proposal.record, one.proposal.origin) == ("goes on", origin)


async def test_what_was_answered_waits_again_only_when_something_else_is_told(work: Work) -> None:
    candidate = await registered(work)
    later = NOON + timedelta(hours=1)

    async def answers(store: Store) -> dict[str, datetime | None]:
        return {one.proposal.record: one.answered_at for one in await store.proposals(candidate)}

    async with work() as store:
        await store.save_proposals([proposal(candidate)])
    async with work(later) as store:
        await store.save_claims([claim(candidate, record="new", registered=False)])
        await store.save_proposals([proposal(candidate, "acme", "new")])
        await store.answer_proposals(candidate, NOON)
        assert await answers(store) == {"ana": later, "new": None}
        await store.answer_proposal(candidate, ("acme", "new"))
        assert await answers(store) == {"ana": later, "new": later}
        await store.save_proposals([proposal(candidate), proposal(candidate, "acme", "new", "Welder")])
        assert await answers(store) == {"ana": later, "new": None}
        await store.answer_proposal(new_candidate_id(), ("acme", "new"))
        assert await answers(store) == {"ana": later, "new": None}, "somebody else answers nothing"


async def test_a_denied_record_ends_with_what_it_proposes_and_is_remembered(work: Work) -> None:
    candidate, other = await registered(work), await registered(work, b"bo")
    async with work() as store:
        await store.save_proposals([proposal(candidate)])
        await store.deny(other, ("acme", "ana"))
        assert (await store.look_up([("acme", "ana")], [])).not_theirs == frozenset()
        await store.deny(candidate, ("acme", "ana"))
        picture = await store.look_up([("acme", "ana"), ("acme", "bo")], [])
        assert picture.not_theirs == {(("acme", "ana"), candidate)}
        assert set(picture.claims) == {("acme", "bo")}
        assert await store.proposals(candidate) == []


async def test_the_origins_of_a_profile_are_those_that_were_saved_last(work: Work) -> None:
    candidate = await registered(work)
    teller = Teller(vendor="acme", record="ana", employer="emp_one", event_id="evt-1", proof="key", told_at=NOON)
    first = ValueOrigin(field="years", value="5", how="kept", at=NOON, by=(teller,))
    second = ValueOrigin(field="state", value="CO", how="said", at=NOON)
    async with work() as store:
        assert tuple(await store.origins(candidate)) == ()
        await store.save_origins(candidate, [first])
        await store.save_origins(candidate, [first, second])
        assert tuple(await store.origins(candidate)) == (first, second)


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
        assert await store.missed_showings(soon - timedelta(seconds=1), limit=10) == []
        assert await showings_scheduled(store) == {candidate: soon}
        await forget_work(store)
    async with work(soon) as store:
        assert await store.missed_showings(soon, limit=10) == [candidate]
        store.look_at([candidate])
    async with work(soon) as store:
        assert await store.missed_showings(soon, limit=10) == []


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
        (due,) = (await store.showings([candidate])).values()
        assert due.look_again_at == NOON
        assert due.mailbox_gone
        await store.save_showings([replace(due, look_again_at=None, confirmed=True)])
    async with work() as store:
        assert (await store.showings([candidate]))[candidate].mailbox_gone


@pytest.mark.parametrize("by_join", [False, True])
async def test_a_lost_mailbox_is_invited_again_only_by_the_join_page(work: Work, by_join: bool) -> None:
    candidate = await registered(work)
    await lose_mailbox(work, candidate)
    async with work() as store:
        await store.ask_to_invite({candidate: JOIN if by_join else "acme"})
    async with work() as store:
        assert [one.candidate for one in await store.to_invite(await asked(store))] == [candidate] * by_join
        assert await store.to_invite(await asked(store)) == [], "taken out of the queue either way"


async def test_vendors_take_turns_at_having_people_invited(work: Work) -> None:
    people = [await registered(work, address) for address in (b"ana", b"bo", b"cy")]
    async with work() as store:
        if isinstance(store, FakeStore):
            pytest.skip("the runner's rows are PostgreSQL's")
        await store.ask_to_invite(dict(zip(people, ("acme", "bright", "acme"), strict=True)))
    async with work() as store:
        assert isinstance(store, PostgresStore)
        rows = await store._connection.fetch("SELECT key, flow FROM work WHERE queue = 'invitations'")
    flow = {row["key"]: row["flow"] for row in rows}
    assert flow[people[0]] == flow[people[2]] != flow[people[1]]


async def test_an_invitation_is_taken_once_and_remembers_the_join_page(work: Work) -> None:
    candidate = await registered(work)
    async with work() as store:
        await store.ask_to_invite({candidate: JOIN})
        await store.ask_to_invite({candidate: "acme"})
    async with work() as store:
        (taken,) = await store.to_invite(await asked(store))
        assert (taken.candidate, taken.by_join, taken.until) == (candidate, True, NOON + timedelta(days=14))
        assert await store.to_invite(await asked(store)) == []


async def test_an_invitation_knows_who_registered_the_person_and_else_who_claimed_them(work: Work) -> None:
    candidate = await registered(work)
    later = replace(claim(candidate, record="2", registered=False), vendor="bright", employer=None)
    introduced_by = []
    for gone in ("nobody", "ana"):
        async with work() as store:
            await store.save_claims([later])
            await store.remove_claims([("acme", gone)])
            await store.ask_to_invite({candidate: "acme"})
        async with work() as store:
            introduced_by += [one.introduced_by for one in await store.to_invite(await asked(store))]
    assert introduced_by == ["emp_one", "bright"]


async def test_invitations_are_counted_by_address(work: Work) -> None:
    slow, other = (SlowHash(name, Prefix(b"pepper", bits)) for name, bits in ((b"slow", 1), (b"other", 2)))
    async with work() as store:
        await store.note_invitations([slow])
        await store.note_invitations([slow, other])
        found = await store.past_invitations([b"slow", b"never"])
        asked = [other.prefix, Prefix(b"pepper", 3), Prefix(b"salt", 1)]
        suspected = await store.suspected(asked)
        nobody = await store.suspected(asked[1:])
    assert found == {b"slow": PastInvitations(2, NOON)}
    assert (suspected, nobody) == (Suspected(frozenset(asked[:1])), Suspected(frozenset()))


async def test_a_stub_lapses_when_its_time_is_over_and_can_be_prolonged(work: Work) -> None:
    ana, bo = await registered(work, b"ana"), await registered(work, b"bo")
    async with work() as store:
        await store.prolong([bo], NOON + timedelta(days=20))
        await store.prolong([bo], NOON)
    async with work(NOON + timedelta(days=15)) as store:
        assert await store.lapse_expired(limit=10) == [Lapse(ana, "expired", NOON + timedelta(days=15))]
        assert await store.lapse_expired(limit=10) == []
        await store.erase_lapsed([ana, bo])
    async with work() as store:
        assert set((await store.look_up([("acme", "ana")], [b"ana", b"bo"])).people) == {bo}
        assert list(await store.identities([ana, bo])) == [bo]


async def test_who_confirms_does_not_lapse_any_more(work: Work) -> None:
    candidate = await registered(work)
    async with work() as store:
        await store.remove_claims([("acme", "ana")])
        await store.lapse_unclaimed([candidate])
        (showing,) = (await store.showings([candidate])).values()
        await store.save_showings([replace(showing, confirmed=True, consent_version=1)])
    async with work(NOON + timedelta(days=1)) as store:
        assert not (await store.look_up([], [b"ana"])).people[candidate].lapsing
        assert await store.ask_again(NOON + timedelta(days=1), limit=10) == []
        assert await store.erase_lapsed([candidate]) == []


async def test_who_is_not_settled_is_asked_about_again_and_not_at_once(work: Work) -> None:
    candidates = sorted([await registered(work, b"ana"), await registered(work, b"bo")])
    async with work(NOON + timedelta(days=15)) as store:
        assert len(await store.lapse_expired(limit=1)) == 1
        assert len(await store.lapse_expired(limit=9)) == 1
    async with work(NOON + timedelta(days=16)) as store:
        assert await store.ask_again(NOON + timedelta(days=15), limit=9) == []
        found = [await store.ask_again(NOON + timedelta(days=15, seconds=1), limit=1) for _ in range(3)]
    assert sorted(one.candidate for some in found for one in some) == candidates


def told_of(
    record: str, change: str = "changed", *, hours: int | None = None, employer: str | None = "emp_one"
) -> KeptReport:
    happened_at = None if hours is None else NOON + timedelta(hours=hours)
    event = CandidateReportedV1(
        vendor="acme", record=record, employer=employer, change=change, reported_at=NOON, intake_key=NOON.date(),
        sealed="", happened_at=happened_at,
    )  # fmt: skip
    return KeptReport(f"{record}-{change}-{hours}", event)


async def test_what_is_kept_is_taken_once_in_its_order(work: Work) -> None:
    merged = KeptReport(
        "m", CandidateMergedV1(vendor="acme", record="1", into="2", employer="emp_one", reported_at=NOON)
    )
    async with work() as store:
        await store.keep([merged])
        await store.keep([told_of("1", "hired", hours=3)])
    async with work(NOON + timedelta(hours=1)) as store:
        await store.keep([told_of("1", hours=2), told_of("2")])
        assert await store.take_kept([("acme", "1"), ("acme", "9"), ("bright", "1")]) == [
            merged, told_of("1", hours=2), told_of("1", "hired", hours=3),
        ]  # fmt: skip
        assert await store.take_kept([("acme", "1")]) == []
        assert await store.take_kept([]) == []


async def test_of_one_kind_the_later_is_kept_by_the_vendors_clock(work: Work) -> None:
    for earlier, later in (((told_of("1", hours=2), told_of("1", hours=1))), (told_of("2", hours=1), told_of("2"))):
        async with work() as store:
            await store.keep([earlier])
            await store.keep([later])
    async with work() as store:
        assert await store.take_kept([("acme", "1"), ("acme", "2")]) in (
            [told_of("2"), told_of("1", hours=2)],
            [told_of("1", hours=2), told_of("2")],
        )


async def test_beyond_its_quota_no_more_is_kept_of_a_tenant_and_deletions_last(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "MOST_KEPT", 1)  # what the edge lets through, twice: so much may be on its way
    kept = [told_of("1"), told_of("2")]
    deleted = [told_of("3", "deleted"), told_of("4", "deleted")]
    async with work() as store:
        await store.keep(kept)
        await store.keep([told_of("5"), *deleted])
        await store.keep([told_of("6", "deleted"), replace(told_of("7", "deleted"), counted=True)])
    records = [("acme", str(n)) for n in range(1, 8)]
    async with work() as store:
        assert set((await store.look_up([("acme", "7")], [])).deletions) == {(("acme", "7"), "emp_one")}
        assert await store.take_kept(records) == [*kept, *deleted]


async def test_what_is_kept_is_kept_for_a_day(work: Work) -> None:
    async with work() as store:
        await store.keep([told_of("1"), told_of("2", "deleted")])
    async with work(NOON + timedelta(days=1)) as store:
        picture = await store.look_up([("acme", "2"), ("acme", "1")], [])
        assert list(picture.deletions) == [(("acme", "2"), "emp_one")]
    async with work(NOON + timedelta(days=1, seconds=1)) as store:
        assert (await store.look_up([("acme", "2")], [])).deletions == {}
        assert await store.take_kept([("acme", "1")]) == []
        assert await store.forget_kept(NOON, limit=9) == 0
        assert await store.forget_kept(NOON + timedelta(seconds=1), limit=1) == 1
        assert await store.forget_kept(NOON + timedelta(seconds=1), limit=9) == 1


async def test_a_deletion_that_has_counted_is_only_remembered(work: Work) -> None:
    key = (("acme", "1"), "emp_one")
    merged = CandidateMergedV1(vendor="acme", record="3", into="4", employer="emp_one", reported_at=NOON)
    async with work() as store:
        await store.keep([told_of("1", "deleted", hours=2), told_of("2", "deleted")])
        await store.keep([KeptReport("m", merged, counted=True)])
        await store.count_deletions([key, (("acme", "2"), "emp_two")])
        await store.count_deletions([])
    async with work() as store:
        await store.keep([told_of("1", "deleted", hours=3)])
        assert await store.take_kept([("acme", "1"), ("acme", "2"), ("acme", "3")]) == [told_of("2", "deleted")]
        found = (await store.look_up([("acme", "1"), ("acme", "2"), ("acme", "3")], [])).deletions
        assert found == {
            key: Deletion("acme", "1", "emp_one", NOON + timedelta(hours=3), NOON, counted=True),
            (("acme", "3"), "emp_one"): Deletion("acme", "3", "emp_one", None, NOON, counted=True),
        }
        await store.keep([replace(told_of("3", "deleted", hours=1), counted=True)])
        found = (await store.look_up([("acme", "3")], [])).deletions
        assert [one.happened_at for one in found.values()] == [NOON + timedelta(hours=1)]
        assert await store.forget_kept(NOON + timedelta(days=2), limit=9) == 2


async def test_with_a_deletion_goes_what_was_kept_from_before_it(work: Work) -> None:
    waiting = replace(told_of("1", "signed_up"), waits_for=new_candidate_id())
    async with work() as store:
        await store.keep([told_of("1", hours=1), told_of("2", "hired"), waiting])
        await store.keep([told_of("1", "hired", hours=3), told_of("1", "deleted"), told_of("3")])
        await store.forget_told_before({(("acme", "1"), "emp_one"): NOON + timedelta(hours=2)})
        await store.forget_told_before({(("acme", "2"), "emp_one"): None, (("acme", "3"), "emp_two"): None})
        await store.forget_told_before({})
        assert await store.release(limit=9) == []
        left = await store.take_kept([("acme", "1"), ("acme", "2"), ("acme", "3")])
        assert {one.id for one in left} == {"1-hired-3", "1-deleted-None", "3-changed-None"}


async def test_what_waits_for_somebody_is_released_once_they_are_settled(work: Work) -> None:
    candidate = await registered(work)
    waiting = replace(told_of("7", "signed_up"), waits_for=candidate)
    async with work(NOON + timedelta(days=15)) as store:
        await store.lapse_expired(limit=9)
        await store.keep([waiting])
        assert await store.release(limit=9) == []
        assert await store.take_kept([("acme", "7")]) == []
        assert await store.forget_kept(NOON + timedelta(days=99), limit=9) == 0
    async with work(NOON + timedelta(days=20)) as store:
        await store.erase_lapsed([candidate])
        assert await store.release(limit=9) == [told_of("7", "signed_up")]
        assert await store.release(limit=9) == []


async def test_a_merged_records_claim_and_proposal_go_to_the_one_that_goes_on(work: Work) -> None:
    ana, bo = await registered(work, b"ana"), await registered(work, b"bo")
    async with work() as store:
        await store.save_proposals([proposal(ana), proposal(bo, record="bo")])
        await store.hand_over({("acme", "ana"): ("acme", "9"), ("acme", "nobody"): ("acme", "8")})
        picture = await store.look_up([("acme", "ana"), ("acme", "9")], [])
        assert picture.claims == {("acme", "9"): claim(ana, record="9")}
        assert [one.proposal for one in await store.proposals(ana)] == [proposal(ana, record="9")]
        await store.hand_over({("acme", "9"): ("acme", "bo")})
        assert list((await store.look_up([("acme", "9"), ("acme", "bo")], [])).people) == [bo]
        assert [one.proposal for one in await store.proposals(bo)] == [proposal(bo, record="bo")]
        assert await store.proposals(ana) == []


async def test_a_claim_remembers_the_newest_of_the_vendors_times(work: Work) -> None:
    ana = await registered(work, b"ana")
    key, later = ("acme", "ana"), NOON + timedelta(hours=2)
    async with work() as store:
        await store.note_times({key: later})
        await store.note_times({key: NOON, ("acme", "nobody"): NOON})
        await store.save_claims([claim(ana, record="ana")])
        assert (await store.look_up([key], [])).claims[key].happened_at == later
