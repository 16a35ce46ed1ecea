"""Order of arrival is not order of events: what is true in the end does not depend on it."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from services.signup import jobs
from services.signup.vault.sealing import open_identity
from shared.contracts.signup import CandidateConfirmedV1, CandidateHiredV1, CandidateLapsedV1, CandidateRegisteredV1
from shared.messaging.envelope import Received
from tests.fakes.clock import NOON
from tests.fakes.signup import FakeStore
from tests.handlers.signup.stories import (
    ANA,
    KEY,
    SECRETS,
    allow,
    invited,
    keep,
    merge,
    received,
    register,
    report,
    settle,
    tell,
    titles_told,
)

OTHER = "ana.ruiz@home.example"


@pytest.fixture
def store() -> FakeStore:
    return FakeStore(keys={NOON.date(): KEY})


def orders(*reports: Received[Any]) -> list[Any]:
    return [pytest.param(order, id="-".join(map(_name, order))) for order in itertools.permutations(reports)]


def _name(one: Received[Any]) -> str:
    return f"{getattr(one.event, 'change', 'merged')}{one.event.record}"


async def tell_all(store: FakeStore, reports: Sequence[Received[Any]], *, at_once: bool) -> None:
    for some in [reports] if at_once else [[one] for one in reports]:
        await tell(store, *(received(one.event) for one in some))


def mails(store: FakeStore) -> list[str]:
    return sorted(open_identity(row, SECRETS.epochs).mail for row in store.vault.values())


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    "order",
    orders(report(title="Nurse", hours=0), report("changed", title="Welder", hours=1), report("changed", title="Cook", hours=2)),
)  # fmt: skip
async def test_changes_count_in_the_vendors_order_however_they_arrive(
    store: FakeStore, order: Sequence[Received[Any]], at_once: bool
) -> None:
    await tell_all(store, order, at_once=at_once)
    (candidate,) = store.vault
    assert await titles_told(store, candidate) == [("acme", ("Cook",))]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("order", orders(report(title="Nurse"), report("changed", title="Welder")))
async def test_a_change_that_overtakes_its_creation_counts_without_times_too(
    store: FakeStore, order: Sequence[Received[Any]], at_once: bool
) -> None:
    await tell_all(store, order, at_once=at_once)
    (candidate,) = store.vault
    assert await titles_told(store, candidate) == [("acme", ("Welder",))]


async def test_a_change_from_before_the_creation_by_the_vendors_clock_does_not_count(store: FakeStore) -> None:
    await tell(store, report("changed", title="Welder", hours=1))
    await tell(store, report(title="Nurse", hours=2))
    (candidate,) = store.vault
    assert await titles_told(store, candidate) == [("acme", ("Nurse",))]


async def test_what_is_told_of_an_unknown_record_waits_for_a_day(store: FakeStore) -> None:
    await tell(store, report("changed", title="Welder"))
    store.at += timedelta(days=1, seconds=1)
    await tell(store, report(title="Nurse"))
    (candidate,) = store.vault
    assert await titles_told(store, candidate) == [("acme", ("Nurse",))]


async def test_a_hire_that_overtakes_its_creation_is_told(store: FakeStore) -> None:
    assert await tell(store, report("hired")) == []
    events = await tell(store, report())
    (hired,) = [event for event in events if isinstance(event, CandidateHiredV1)]
    assert hired.candidate in store.vault


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("hours", [(None, None, None), (0, 1, 2)])
@pytest.mark.parametrize("places", list(itertools.permutations(range(3))))
async def test_whoever_was_deleted_is_not_mailed_in_any_order(
    store: FakeStore, places: Sequence[int], hours: Sequence[float | None], at_once: bool
) -> None:
    changes = [report(hours=hours[0]), report("changed", hours=hours[1]), report("deleted", hours=hours[2])]
    await tell_all(store, [changes[place] for place in places], at_once=at_once)
    await settle(store)
    assert await invited(store) == []
    assert store.vault == {}
    assert store.claims == {}


async def test_a_record_that_was_made_again_after_its_deletion_counts(store: FakeStore) -> None:
    for first, second in ((0, 1), (1, 0)):
        told = [report("deleted", hours=1, record=f"r{first}"), report(hours=2, record=f"r{first}")]
        await tell(store, told[first])
        await tell(store, told[second])
        assert ("acme", f"r{first}") in store.claims


async def test_a_deletion_for_another_employer_stops_nobody(store: FakeStore) -> None:
    await tell(store, report("deleted", employer="emp_two"))
    await tell(store, report())
    assert len(await invited(store)) == 1


# The same candidate under two records of one ATS, which its users merge: the claim goes to the record that goes on.
MERGE = (merge("1", "2"), report(record="2"), report("deleted"))


@pytest.mark.parametrize("settled_between", [True, False])
@pytest.mark.parametrize("order", orders(*MERGE))
async def test_a_merge_leaves_one_person_of_the_record_that_goes_on(
    store: FakeStore, order: Sequence[Received[Any]], settled_between: bool
) -> None:
    await register(store)
    for one in order:
        await tell(store, received(one.event))
        if settled_between:
            await settle(store)
    await settle(store)
    (candidate,) = store.vault
    assert {record: claim.candidate for record, claim in store.claims.items()} == {("acme", "2"): candidate}
    assert [vendor for vendor, _ in await titles_told(store, candidate)] == ["acme"]
    assert not any(isinstance(event, CandidateLapsedV1) for event in await settle(store))


@pytest.mark.parametrize("order", orders(*MERGE))
async def test_who_answered_before_the_merge_is_kept_whatever_comes(
    store: FakeStore, order: Sequence[Received[Any]]
) -> None:
    candidate = await register(store)
    await allow(store, candidate)
    for one in order:
        await tell(store, received(one.event))
        await settle(store)
    assert list(store.vault) == [candidate]
    assert {record: claim.candidate for record, claim in store.claims.items()} == {("acme", "2"): candidate}


@pytest.mark.parametrize("order", orders(merge("1", "2"), report(record="2", mail=OTHER), report("deleted")))
async def test_a_merge_of_two_mailboxes_leaves_that_of_the_record_that_goes_on(
    store: FakeStore, order: Sequence[Received[Any]]
) -> None:
    await register(store)
    for one in order:
        await tell(store, received(one.event))
    await settle(store)
    assert mails(store) == [OTHER]
    assert list(store.claims) == [("acme", "2")]


async def test_a_merge_and_what_follows_count_before_the_record_is_known(store: FakeStore) -> None:
    await tell(store, report("changed", record="2", title="Cook"))
    await tell(store, merge("1", "2"))
    await tell(store, report(title="Nurse"))
    (candidate,) = store.vault
    assert list(store.claims) == [("acme", "2")]
    assert await titles_told(store, candidate) == [("acme", ("Cook",))]


async def test_no_other_employer_changes_deletes_hires_or_merges(store: FakeStore) -> None:
    candidate = await register(store)
    before = await titles_told(store, candidate)
    for one in (
        report("changed", title="Welder", mail=OTHER, employer="emp_two"),
        report("deleted", employer="emp_two"),
        report("hired", employer="emp_two"),
        merge("1", "2", employer="emp_two"),
    ):
        assert await tell(store, one) == []
    assert await titles_told(store, candidate) == before
    assert list(store.claims) == [("acme", "1")]
    assert mails(store) == [ANA]


async def test_a_corrected_email_is_mailed_once_and_the_old_link_dies_with_its_stub(store: FakeStore) -> None:
    old = await register(store)
    assert len(await invited(store)) == 1
    events = await tell(store, report("changed", mail=OTHER, title="Welder"))
    (lapsed,) = [event for event in events if isinstance(event, CandidateLapsedV1)]
    assert (lapsed.candidate, lapsed.reason) == (old, "deleted")
    await tell(store, report("changed", mail=OTHER, title="Cook"))
    (notice,) = await invited(store)
    await settle(store)
    assert mails(store) == [OTHER]
    assert list(store.vault) == [notice.candidate]
    assert await titles_told(store, notice.candidate) == [("acme", ("Cook",))]


async def test_an_email_that_is_only_spelled_otherwise_moves_nobody(store: FakeStore) -> None:
    await register(store)
    assert await tell(store, report("changed", mail="ana.ruiz+jobs@EXAMPLE.org")) == []
    assert mails(store) == [ANA]


@pytest.mark.parametrize("state", ["a stub", "answered", "spoken"])
async def test_what_a_corrected_email_brings_tells_nothing_of_who_had_the_old_one(store: FakeStore, state: str) -> None:
    candidate = await register(store)
    if state == "answered":
        await allow(store, candidate)
    if state == "spoken":
        await keep(store, candidate)
    told = await tell(store, report("changed", mail=OTHER))
    assert OTHER in mails(store)  # invited whatever was known of the old mailbox
    lapsed = {one.candidate for one in told if isinstance(one, CandidateLapsedV1)}
    assert lapsed == ({candidate} if state == "a stub" else set())


async def test_a_corrected_email_of_somebody_known_is_a_claim_on_them(store: FakeStore) -> None:
    await register(store)
    await tell(store, report(record="9", mail=OTHER, vendor="bright"))
    (known,) = {claim.candidate for record, claim in store.claims.items() if record[0] == "bright"}
    await allow(store, known)
    await tell(store, report("changed", mail=OTHER))
    await settle(store)
    assert store.claims["acme", "1"].candidate == known
    assert list(store.vault) == [known]
    assert await invited(store) == []


async def test_a_corrected_email_leaves_a_stub_that_another_vendor_claims(store: FakeStore) -> None:
    candidate = await register(store)
    await tell(store, report(vendor="bright"))
    await tell(store, report("changed", mail=OTHER))
    await settle(store)
    assert mails(store) == sorted([ANA, OTHER])
    assert store.claims["bright", "1"].candidate == candidate


async def test_an_answer_that_is_heard_after_the_lapse_keeps_the_person(store: FakeStore) -> None:
    candidate = await register(store)
    (lapsed,) = await tell(store, report("deleted"))
    assert isinstance(lapsed, CandidateLapsedV1)
    assert CandidateConfirmedV1 in map(type, await allow(store, candidate))
    await settle(store)
    assert list(store.vault) == [candidate]


async def test_who_answered_while_kafka_was_away_is_not_purged(store: FakeStore) -> None:
    candidate = await register(store)
    store.at += timedelta(days=30)
    for _ in range(3):  # consent knows of an answer, and so confirms nothing
        store.published.clear()
        await jobs.lapse(store)
        assert [event.candidate for event in store.published if isinstance(event, CandidateLapsedV1)] == [candidate]
        store.at += jobs.ASKED_AGAIN_AFTER + timedelta(seconds=1)
    assert list(store.vault) == [candidate]
    await allow(store, candidate)
    store.published.clear()
    await jobs.lapse(store)
    assert store.published == []


async def test_who_signs_up_while_their_stub_is_erased_is_registered_anew(store: FakeStore) -> None:
    old = await register(store)
    await tell(store, report("deleted"))
    assert await tell(store, report(vendor="bright", record="7")) == []
    assert await invited(store) == []
    events = await settle(store)
    (new,) = [event.candidate for event in events if isinstance(event, CandidateRegisteredV1)]
    assert new != old
    assert list(store.vault) == [new]
    assert len(await invited(store)) == 1


async def test_who_signs_up_while_their_answer_is_on_its_way_is_a_claim(store: FakeStore) -> None:
    candidate = await register(store)
    await tell(store, report("deleted"), report(vendor="bright", record="7"))
    await allow(store, candidate)
    await settle(store)
    assert store.claims["bright", "7"].candidate == candidate


async def test_a_record_that_was_deleted_before_claims_nobody_who_is_known_by_another(store: FakeStore) -> None:
    await tell(store, report(vendor="bright"))
    await tell(store, report("deleted"))
    assert await tell(store, report()) == []
    assert list(store.claims) == [("bright", "1")]


async def test_a_merge_moves_the_claim_to_a_record_that_was_never_told_of(store: FakeStore) -> None:
    candidate = await register(store)
    await tell(store, merge("1", "2"), report("changed", record="2", title="Cook"))
    assert {record: claim.candidate for record, claim in store.claims.items()} == {("acme", "2"): candidate}
    assert await titles_told(store, candidate) == [("acme", ("Cook",))]


@pytest.mark.parametrize("deletions", [1, 2, 3])
async def test_who_applies_again_under_a_record_that_was_deleted_is_invited(store: FakeStore, deletions: int) -> None:
    await register(store)
    await invited(store)
    for _ in range(deletions):
        await tell(store, report("deleted"))
    await settle(store)
    await tell(store, report())
    assert len(store.vault) == 1
    assert len(await invited(store)) == 1


async def test_who_applies_again_at_once_is_registered_when_their_old_stub_is_gone(store: FakeStore) -> None:
    old = await register(store)
    for one in (report("deleted"), report("deleted"), report()):
        await tell(store, one)
    await settle(store)
    assert list(store.vault) != [old]
    assert len(store.vault) == 1


async def test_a_deletion_stops_one_creation_and_told_again_no_other(store: FakeStore) -> None:
    for one in (report("deleted"), report(), report("deleted")):
        await tell(store, one)
    assert store.vault == {}
    await tell(store, report())
    assert len(store.vault) == 1
    assert len(await invited(store)) == 1


async def test_without_times_a_creation_long_after_a_deletion_is_another(store: FakeStore) -> None:
    await tell(store, report("deleted"))
    await tell(store, report(came=1))
    assert list(store.claims) == [("acme", "1")]
    assert len(await invited(store)) == 1


async def test_the_vendors_clock_holds_for_a_record_that_was_known_and_deleted(store: FakeStore) -> None:
    await tell(store, report(hours=0), report("deleted", hours=2), report("deleted", hours=4))
    await settle(store)
    await tell(store, report(hours=3))
    assert store.claims == {}
    await tell(store, report(hours=5))
    assert list(store.claims) == [("acme", "1")]


async def test_what_was_told_before_a_deletion_is_not_of_who_applies_again(store: FakeStore) -> None:
    for one in (report("deleted"), report("changed", title="Welder"), report("hired"), report()):
        await tell(store, one)
    events = await tell(store, report(title="Nurse"))
    (candidate,) = store.vault
    assert await titles_told(store, candidate) == [("acme", ("Nurse",))]
    assert not any(isinstance(event, CandidateHiredV1) for event in events)


async def test_who_is_deleted_again_while_their_old_stub_is_erased_is_not_registered(store: FakeStore) -> None:
    await register(store)
    for one in (report("deleted"), report(), report("deleted")):
        await tell(store, one)
    await settle(store)
    assert store.vault == {}


async def test_the_record_that_a_merge_ended_is_taken_when_it_is_told_of_anew(store: FakeStore) -> None:
    await register(store)
    for one in (merge("1", "2"), report("deleted"), report(mail=OTHER)):
        await tell(store, one)
    assert sorted(store.claims) == [("acme", "1"), ("acme", "2")]
