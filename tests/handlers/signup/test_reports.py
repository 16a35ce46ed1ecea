"""What follows from what vendors tell."""

from datetime import timedelta

import pytest

from services.signup import jobs
from services.signup.model.provenance import Origin
from services.signup.vault.sealing import open_identity
from shared.contracts.signup import (
    JOIN,
    CandidateClaimedV1,
    CandidateConfirmedV1,
    CandidateHiredV1,
    CandidateKeyPublishedV1,
    CandidateLapsedV1,
    CandidateProfileChangedV1,
    CandidateRegisteredV1,
    NoticeRequestedV2,
)
from shared.security.boxes import CannotOpenError
from tests.fakes.clock import NOON
from tests.fakes.signup import FakeStore
from tests.handlers.signup.stories import (
    ANA,
    KEY,
    SECRETS,
    allow,
    invited,
    keep,
    kinds,
    received,
    register,
    report,
    settle,
    tell,
    titles_told,
)
from tests.working import jobs_for


@pytest.fixture
def store() -> FakeStore:
    return FakeStore(keys={NOON.date(): KEY})


async def test_an_unknown_person_becomes_a_stub_with_a_key_and_a_claim(store: FakeStore) -> None:
    events = await tell(store, report())
    assert kinds(events) == [CandidateRegisteredV1, CandidateKeyPublishedV1, CandidateClaimedV1]
    (row,) = store.vault.values()
    assert open_identity(row, SECRETS.epochs).mail == ANA


async def test_two_vendors_and_one_person_are_one_candidate_with_two_claims(store: FakeStore) -> None:
    events = await tell(store, report(), report(vendor="bright", mail="ANA.RUIZ@EXAMPLE.ORG"))
    claims = [event for event in events if isinstance(event, CandidateClaimedV1)]
    assert {claim.vendor for claim in claims} == {"acme", "bright"}
    assert len({claim.candidate for claim in claims}) == len(store.vault) == 1


async def test_the_same_record_again_says_nothing_new(store: FakeStore) -> None:
    await register(store)
    assert await tell(store, report()) == []


async def test_what_others_tell_is_a_proposal_by_each_record_and_in_force_by_none(store: FakeStore) -> None:
    candidate = await register(store)
    store.at += timedelta(minutes=1)
    await tell(store, report(vendor=JOIN, record="j1", title="Dishwasher"))
    assert await titles_told(store, candidate) == [(JOIN, ("Dishwasher",)), ("acme", ("Registered nurse",))]
    assert (await store.showings([candidate]))[candidate].profile is None
    assert kinds(await allow(store, candidate)) == [CandidateConfirmedV1]


async def test_a_record_may_change_its_own_proposal_also_once_the_person_spoke(store: FakeStore) -> None:
    candidate = await register(store)
    await tell(store, report(vendor="bright", title="Welder"))
    await tell(store, report("changed", vendor="bright", title="Nurse"))
    assert dict(await titles_told(store, candidate)) == {"acme": ("Registered nurse",), "bright": ("Nurse",)}
    await allow(store, candidate)
    await tell(store, report("changed", title="Dishwasher"))
    assert dict(await titles_told(store, candidate))["acme"] == ("Dishwasher",)
    await keep(store, candidate)
    await tell(store, report("changed", title="Butcher"), report(title="Butcher"), report(record="9", title="Butcher"))
    told = {(one.proposal.vendor, one.proposal.record): one.proposal.titles for one in await store.proposals(candidate)}
    assert told == {("acme", "1"): ("Butcher",), ("acme", "9"): ("Butcher",), ("bright", "1"): ("Nurse",)}


async def test_what_a_denied_record_tells_is_noise_until_its_email_is_corrected(store: FakeStore) -> None:
    candidate = await register(store)
    await keep(store, candidate)
    await store.deny(candidate, ("acme", "1"))
    assert await tell(store, report("changed", title="Butcher"), report(title="Butcher"), report("hired")) == []
    assert await store.proposals(candidate) == []
    assert store.claims == {}
    assert CandidateRegisteredV1 in kinds(await tell(store, report("changed", mail="bo@example.org")))
    assert store.claims["acme", "1"].candidate != candidate


async def test_a_claim_and_its_proposal_know_by_which_event_they_came(store: FakeStore) -> None:
    candidate = await register(store)
    (one,) = await store.proposals(candidate)
    assert one.proposal.origin == store.claims["acme", "1"].origin == Origin(None, None, NOON)


async def test_who_has_spoken_is_changed_by_no_vendor(store: FakeStore) -> None:
    candidate = await register(store)
    await keep(store, candidate)
    await allow(store, candidate)
    before = dict(await store.showings([candidate]))
    events = await tell(store, report("changed", title="Welder"), report(vendor="bright", title="Welder"))
    assert kinds(events) == [CandidateClaimedV1]
    assert await store.showings([candidate]) == before
    assert await invited(store) == []


async def test_a_mailbox_is_invited_twice_under_whatever_spelling(store: FakeStore) -> None:
    mails = [f"bomb+{tag}@example.org" for tag in range(6)]
    notices = []
    for record, mail in enumerate(mails):
        await tell(
            store, report(record=str(record), mail=mail), report(record=f"b{record}", mail=mail, vendor="bright")
        )
        notices += await invited(store)
        store.at += timedelta(days=15)
        await settle(store)
    assert len(notices) == 2


async def test_a_proposal_goes_with_its_vendors_deletion(store: FakeStore) -> None:
    candidate = await register(store)
    await tell(store, report(vendor="bright", title="Welder"))
    await tell(store, report("deleted"))
    assert await titles_told(store, candidate) == [("bright", ("Welder",))]


async def test_what_a_vendor_says_of_a_record_nobody_knows_changes_nothing_for_now(store: FakeStore) -> None:
    assert await tell(store, report("changed"), report("hired", record="2"), report("deleted", record="3")) == []


async def test_a_hire_is_told(store: FakeStore) -> None:
    candidate = await register(store)
    (hired,) = await tell(store, report("hired"))
    assert isinstance(hired, CandidateHiredV1)
    assert (hired.candidate, hired.vendor) == (candidate, "acme")


async def test_a_deletion_erases_a_stub_that_nobody_else_claims(store: FakeStore) -> None:
    candidate = await register(store)
    (lapsed,) = await tell(store, report("deleted"))
    assert isinstance(lapsed, CandidateLapsedV1)
    assert (lapsed.candidate, lapsed.reason) == (candidate, "deleted")
    assert store.buried == []
    await settle(store)
    assert store.buried == [candidate]
    assert store.vault == {}


async def test_a_deletion_leaves_a_stub_that_another_claims(store: FakeStore) -> None:
    await tell(store, report(), report(vendor="bright"))
    assert await tell(store, report("deleted")) == []
    assert [claim.vendor for claim in store.claims.values()] == ["bright"]


async def test_a_deletion_never_erases_a_confirmed_person(store: FakeStore) -> None:
    candidate = await register(store)
    await allow(store, candidate, purposes=())
    assert await tell(store, report("deleted")) == []
    assert store.claims == {}


async def test_one_vendor_can_not_delete_anothers_claim(store: FakeStore) -> None:
    await register(store)
    assert await tell(store, report("deleted", vendor="bright")) == []


async def test_within_a_batch_a_records_reports_keep_their_order(store: FakeStore) -> None:
    await tell(store, report(), report("deleted"), report(title="Welder"))
    await settle(store)
    (candidate,) = store.vault
    assert len(store.buried) == 1
    assert await titles_told(store, candidate) == [("acme", ("Welder",))]


async def test_without_its_intake_key_a_report_can_not_be_handled(store: FakeStore) -> None:
    store.keys.clear()
    with pytest.raises(CannotOpenError):
        await tell(store, report())


async def test_a_seal_of_another_record_does_not_open(store: FakeStore) -> None:
    forged = report().event.model_copy(update={"record": "2"})
    with pytest.raises(CannotOpenError):
        await tell(store, received(forged))


async def test_a_stub_is_invited_once_and_its_link_ends_with_it(store: FakeStore) -> None:
    candidate = await register(store)
    (notice,) = await invited(store)
    assert (notice.candidate, notice.purpose) == (candidate, "confirm")
    assert notice.expires_at == NOON + timedelta(days=14)
    assert notice.introduced_by == "emp_one"
    assert await invited(store) == []


async def test_an_address_is_invited_twice_ever_even_when_its_stub_was_erased(store: FakeStore) -> None:
    counts = []
    for _ in range(3):
        await register(store)
        counts.append(len(await invited(store)))
        await tell(store, report("deleted"))
        await settle(store)
    assert counts == [1, 1, 0]


async def test_who_confirmed_with_nothing_on_is_never_invited_again(store: FakeStore) -> None:
    candidate = await register(store)
    await allow(store, candidate, purposes=())
    await tell(store, report(vendor="bright"), report(record="2"))
    assert await invited(store) == []


async def test_the_join_page_invites_once_more_and_prolongs(store: FakeStore) -> None:
    for _ in range(2):
        await register(store)
        await invited(store)
        await tell(store, report("deleted"))
        await settle(store)
    await register(store)
    store.at = NOON + timedelta(days=1)
    await tell(store, report(vendor=JOIN, record="j1"))
    (notice,) = await invited(store)
    assert notice.expires_at == NOON + timedelta(days=15)
    assert notice.introduced_by == JOIN


async def test_who_joins_again_after_confirming_gets_a_link_to_sign_in(store: FakeStore) -> None:
    candidate = await register(store)
    await allow(store, candidate)
    (notice,) = await tell(store, report(vendor=JOIN, record="j1", title="Welder"))
    assert isinstance(notice, NoticeRequestedV2)
    assert (notice.candidate, notice.purpose) == (candidate, "sign_in")
    assert (JOIN, "j1") not in store.claims


async def test_the_first_consent_confirms_and_only_the_first(store: FakeStore) -> None:
    candidate = await register(store)
    await keep(store, candidate)
    assert kinds(await allow(store, candidate)) == [CandidateConfirmedV1, CandidateProfileChangedV1]
    assert kinds(await allow(store, candidate, 2, purposes=())) == [CandidateProfileChangedV1]
    assert await allow(store, candidate, 1) == []


async def test_consent_of_somebody_erased_is_ignored(store: FakeStore) -> None:
    assert await allow(store, "018f0000-0000-7000-8000-000000000000") == []


async def test_a_pause_ends_by_itself(store: FakeStore) -> None:
    candidate = await register(store)
    await keep(store, candidate)
    await allow(store, candidate, paused_until=NOON + timedelta(hours=1))
    store.published.clear()
    store.at = NOON + timedelta(hours=1)
    assert store.to_look_at == {candidate: store.at}
    for _ in range(2):
        assert await jobs.on_showings(store, jobs_for(candidate, at=store.at)) == {}
    (shown,) = store.published
    assert isinstance(shown, CandidateProfileChangedV1)
    assert shown.profile is not None


async def test_a_stub_is_purged_after_fourteen_days_and_a_confirmed_person_is_not(store: FakeStore) -> None:
    stub = await register(store)
    await tell(store, report(record="2", mail="bo.lindqvist@example.org"))
    (other,) = set(store.vault) - {stub}
    await allow(store, other, purposes=())
    store.at = NOON + timedelta(days=14)
    await settle(store)
    assert store.buried == []
    store.at += timedelta(seconds=1)
    await settle(store)
    assert store.buried == [stub]


async def test_nothing_sealed_at_the_intake_opens_after_fifteen_days(store: FakeStore) -> None:
    store.at = NOON + timedelta(days=14)
    await jobs.forget(store)
    assert store.keys
    store.at = NOON + timedelta(days=15)
    await jobs.forget(store)
    assert not store.keys


async def test_who_joins_while_the_mailbox_was_emailed_enough_is_taken_and_not_mailed(store: FakeStore) -> None:
    candidate = await register(store)
    await invited(store)
    before = (await store.proposals(candidate))[0]
    store.at += timedelta(hours=1)
    await tell(store, report(vendor=JOIN, record="j1", title="Welder", without_email=True))
    assert await invited(store) == []
    assert len(await store.proposals(candidate)) == 2
    assert before in await store.proposals(candidate)
    await allow(store, candidate)
    assert await tell(store, report(vendor=JOIN, record="j2", without_email=True)) == []


async def test_who_is_new_is_invited_also_when_the_mailbox_was_emailed_enough(store: FakeStore) -> None:
    await tell(store, report(vendor=JOIN, record="j1", without_email=True))
    assert len(await invited(store)) == 1
