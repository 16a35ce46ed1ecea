"""The gateway's moments, on fakes: read, decide, apply."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from services.outreach_gateway import handlers
from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.model import Consent, Memberships, Outreach, Rule, Standing, State
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV1, Purpose
from shared.contracts.outreach_gateway import OutreachRequestedV1
from shared.contracts.pool_matching import Membership, MembershipsChangedV1
from shared.contracts.signup import (
    CandidateErasedV1,
    CandidateKeyPublishedV1,
    MailboxChangedV1,
    OutreachOutcomeReportedV1,
)
from shared.facts import UNKNOWN, Fact, Known
from shared.messaging.envelope import Received, Record
from shared.security.words import KeyPair
from tests.fakes.clock import NOON
from tests.fakes.outreach_gateway import FakeStore, FakeWindows

POLICY = read_policy("2026-12")
ANA, BEN = "01890000-0000-7000-8000-00000000000a", "01890000-0000-7000-8000-00000000000b"
EMPLOYERS = frozenset({"emp_a", "emp_b", "emp_c", "emp_d", "emp_e"})


def received(event: Event) -> Received:  # type: ignore[type-arg]  # any kind: the handlers' own types say which
    record = Record(event.TOPIC.name, 0, 0, event.key.encode(), event.model_dump_json().encode(), ())
    return Received("id", "test", None, event, record)


@dataclass
class Gateway:
    """A gateway on fakes, with a hand on its clock."""

    store: FakeStore = field(default_factory=FakeStore)
    windows: FakeWindows = field(default_factory=lambda: FakeWindows(POLICY))
    suspended: set[str] = field(default_factory=set)
    unheard_of: set[str] = field(default_factory=set)

    def standing(self, employer: str) -> Fact[Standing]:
        if employer in self.unheard_of:
            return UNKNOWN
        return Known(Standing.SUSPENDED if employer in self.suspended else Standing.GOOD)

    def knows(self, candidate: str, *, contact: bool = True) -> None:
        self.store.consents[candidate] = Consent(candidate, 1, contact=contact, time_zone="America/Denver")
        self.store.memberships[candidate] = (1, Memberships(EMPLOYERS))

    async def submitted(self, id: str, employer: str = "emp_a", candidate: str = ANA) -> State:
        at = self.store.at
        self.store.submit(Outreach(id, 0, State.SUBMITTED, employer, candidate, at, at + timedelta(days=14)))
        event = OutreachRequestedV1(
            outreach=id, employer=employer, candidate=candidate, at=at, expires_at=at + timedelta(days=14)
        )
        await self.redelivered(event)
        return self.state(id)

    async def redelivered(self, event: OutreachRequestedV1) -> None:
        await handlers.on_outreach_requested(self.store, [received(event)], self.windows, POLICY, self.standing)

    async def at(self, moment: datetime) -> None:
        self.store.at = self.windows.at = moment
        await handlers.on_due(self.store, self.store.due_work(), self.windows, POLICY, self.standing, 100)

    async def consents(self, *purposes: Purpose, version: int = 2, blocked: tuple[str, ...] = ()) -> None:
        event = ConsentChangedV1(
            candidate=ANA,
            version=version,
            at=self.store.at,
            purposes=purposes,
            blocked_employers=blocked,
            time_zone="America/Denver",
        )
        await handlers.on_consent_changed(self.store, [received(event)])

    async def mailbox(self, *, reachable: bool, version: int = 1, candidate: str = ANA) -> None:
        event = MailboxChangedV1(candidate=candidate, version=version, at=self.store.at, reachable=reachable)
        await handlers.on_mailbox_changed(self.store, [received(event)])

    async def reports(self, id: str, outcome: str, *, version: int = 1, **more: object) -> None:
        event = OutreachOutcomeReportedV1.model_validate(
            {
                "outreach": id,
                "decision_version": version,
                "candidate": ANA,
                "employer": "emp_a",
                "outcome": outcome,
                "at": self.store.at,
                **more,
            }
        )
        await handlers.on_outcome_reported(self.store, [received(event)])

    def slots(self) -> list[datetime]:
        """What Ana's rows hold."""
        rows = [row for row in self.store.rows.values() if row.candidate == ANA]
        return sorted(row.slot_at for row in rows if row.slot_at is not None)

    def state(self, id: str) -> State:
        return self.store.rows[id].state


@pytest.fixture
def gateway() -> Gateway:
    made = Gateway()
    made.knows(ANA)
    return made


async def test_a_first_message_is_admitted(gateway: Gateway) -> None:
    assert await gateway.submitted("o1") is State.ADMITTED
    assert gateway.store.rows["o1"].slot_at == NOON


async def test_a_second_employer_is_delayed_and_sent_when_its_slot_comes(gateway: Gateway) -> None:
    await gateway.submitted("o1", "emp_a")
    assert await gateway.submitted("o2", "emp_b") is State.DELAYED
    slot = gateway.store.rows["o2"].slot_at
    assert slot == NOON + timedelta(hours=24, minutes=10)
    await gateway.at(slot)
    assert gateway.state("o2") is State.ADMITTED


async def test_a_redelivered_request_is_decided_once(gateway: Gateway) -> None:
    await gateway.submitted("o1")
    event = OutreachRequestedV1(
        outreach="o1", employer="emp_a", candidate=ANA, at=NOON, expires_at=NOON + timedelta(days=14)
    )
    await gateway.redelivered(event)
    assert [item.outreach.id for item in gateway.store.settled] == ["o1"]


async def test_killed_between_script_and_commit_it_gets_its_slot_all_the_same(gateway: Gateway) -> None:
    """Though another was decided in between: it came before it."""
    await gateway.submitted("o1", "emp_a")
    await gateway.submitted("o2", "emp_b")
    slot = gateway.store.rows["o2"].slot_at
    assert slot is not None
    gateway.store.rows["o2"] = gateway.store.rows["o2"]._replace(state=State.SUBMITTED, version=0, slot_at=None)
    gateway.store.at = gateway.windows.at = NOON + timedelta(minutes=10)
    assert await gateway.submitted("o3", "emp_c") is State.DELAYED
    assert gateway.store.rows["o3"].slot_at == slot
    event = OutreachRequestedV1(
        outreach="o2", employer="emp_b", candidate=ANA, at=NOON, expires_at=NOON + timedelta(days=14)
    )
    await gateway.redelivered(event)
    assert gateway.slots() == [NOON, slot, NOON + timedelta(days=7, minutes=10)]
    assert gateway.store.rows["o2"].slot_at == slot


async def test_outreach_that_overtook_its_grant_is_held_and_then_admitted(gateway: Gateway) -> None:
    gateway.store.consents.clear()
    assert await gateway.submitted("o1") is State.SUBMITTED
    gateway.store.at += timedelta(seconds=5)
    await gateway.consents("match", "contact", version=1)
    await gateway.at(gateway.store.at)
    assert gateway.state("o1") is State.ADMITTED


async def test_outreach_that_overtook_its_membership_is_held_and_then_admitted(gateway: Gateway) -> None:
    gateway.store.memberships.clear()
    assert await gateway.submitted("o1") is State.SUBMITTED
    member = MembershipsChangedV1(
        candidate=ANA, version=1, pools=(Membership(pool="p_1", employer="emp_a", since=NOON),)
    )
    await handlers.on_memberships_changed(gateway.store, [received(member)])
    await gateway.at(NOON + timedelta(seconds=1))
    assert gateway.state("o1") is State.ADMITTED


async def test_without_a_grant_it_is_dropped_after_30_seconds(gateway: Gateway) -> None:
    gateway.knows(ANA, contact=False)
    await gateway.submitted("o1")
    await gateway.at(NOON + timedelta(seconds=29))
    assert gateway.state("o1") is State.SUBMITTED
    await gateway.at(NOON + timedelta(seconds=30))
    assert gateway.state("o1") is State.DROPPED


@pytest.mark.parametrize("missing", ["consents", "memberships"])
async def test_what_has_not_arrived_of_a_person_is_waited_for_and_admits_when_it_comes(
    gateway: Gateway, missing: str
) -> None:
    getattr(gateway.store, missing).clear()
    await gateway.submitted("o1")
    await gateway.at(NOON + timedelta(hours=2))
    assert gateway.state("o1") is State.SUBMITTED
    gateway.knows(ANA)
    await gateway.at(NOON + timedelta(hours=2, minutes=1))
    assert gateway.state("o1") is State.ADMITTED


async def blocks(world: Gateway) -> None:
    await world.consents("match", "contact", blocked=("emp_a",))


async def stops(world: Gateway) -> None:
    await world.consents("match")


async def loses_the_mailbox(world: Gateway) -> None:
    await world.mailbox(reachable=False)


async def leaves_the_pools(world: Gateway) -> None:
    gone = MembershipsChangedV1(candidate=ANA, version=2, pools=())
    await handlers.on_memberships_changed(world.store, [received(gone)])


CAUSES = {"block": blocks, "withdrawal": stops, "mailbox": loses_the_mailbox, "pools": leaves_the_pools}


@pytest.mark.parametrize("cause", CAUSES)
async def test_whatever_stands_against_it_is_decided_in_the_same_turn(cause: str) -> None:
    world = Gateway()
    world.knows(ANA)
    await CAUSES[cause](world)
    assert await world.submitted("o1") is State.SUBMITTED
    await world.at(NOON + timedelta(seconds=29))
    assert world.state("o1") is State.SUBMITTED
    await world.at(NOON + timedelta(seconds=30))
    assert world.state("o1") is State.DROPPED


async def test_under_another_ref_the_same_person_is_closed_to_the_employer_all_the_same(gateway: Gateway) -> None:
    """Submit, take back, submit under the next ref: what became of each would tell hour by hour whether there is a place."""
    await gateway.submitted("o1", "emp_b")
    assert await gateway.submitted("o2") is State.DELAYED
    gateway.store.take_back("o2")
    await gateway.at(NOON + timedelta(seconds=1))
    assert (gateway.state("o2"), gateway.store.settled[-1].rule) == (State.CANCELLED, Rule.CANCELLED_BY_SENDER)
    assert await gateway.submitted("o3") is State.DROPPED
    assert gateway.store.settled[-1].rule == Rule.SAME_EMPLOYER
    gateway.store.at = gateway.windows.at = NOON + timedelta(days=14)
    assert await gateway.submitted("o4") is State.DROPPED, "what was refused counts as well"
    gateway.store.at = gateway.windows.at = NOON + timedelta(days=28, seconds=2)
    assert await gateway.submitted("o5") is State.ADMITTED


async def test_a_withdrawal_cancels_what_waits_and_gives_its_slot_back(gateway: Gateway) -> None:
    await gateway.submitted("o1", "emp_a")
    await gateway.submitted("o2", "emp_b")
    await gateway.consents("match")
    assert (gateway.state("o1"), gateway.state("o2")) == (State.ADMITTED, State.CANCELLED)
    assert gateway.slots() == [NOON]


async def test_blocking_one_employer_cancels_only_what_it_has_waiting(gateway: Gateway) -> None:
    for id, employer in (("o1", "emp_a"), ("o2", "emp_b"), ("o3", "emp_c")):
        await gateway.submitted(id, employer)
    await gateway.consents("match", "contact", blocked=("emp_b",))
    assert (gateway.state("o2"), gateway.state("o3")) == (State.CANCELLED, State.DELAYED)


async def test_an_older_consent_after_a_newer_one_changes_nothing(gateway: Gateway) -> None:
    await gateway.consents("match", version=5)
    await gateway.consents("match", "contact", version=4)
    assert gateway.store.consents[ANA].contact is False


async def test_withheld_mail_is_cancelled_and_its_slot_is_free(gateway: Gateway) -> None:
    await gateway.submitted("o1")
    await gateway.reports("o1", "withheld")
    assert gateway.state("o1") is State.CANCELLED
    assert gateway.slots() == []


async def test_returned_mail_is_decided_again(gateway: Gateway) -> None:
    await gateway.submitted("o1")
    later = NOON + timedelta(minutes=12)
    gateway.store.at = gateway.windows.at = later
    gateway.windows.step = timedelta(minutes=1)
    await gateway.reports("o1", "returned")
    await gateway.at(later)
    assert gateway.state("o1") is State.ADMITTED
    assert gateway.slots() == [later]


@pytest.mark.parametrize("outcome", ["delivered", "doubtful"])
async def test_what_arrived_or_may_have_keeps_the_slot(gateway: Gateway, outcome: str) -> None:
    await gateway.submitted("o1")
    await gateway.reports("o1", outcome)
    assert gateway.state("o1") == outcome
    assert gateway.slots() == [NOON]


async def test_an_outcome_of_an_older_decision_has_no_effect(gateway: Gateway) -> None:
    await gateway.submitted("o1")
    await gateway.reports("o1", "delivered", version=7)
    assert gateway.state("o1") is State.ADMITTED


async def test_a_final_state_stays(gateway: Gateway) -> None:
    await gateway.submitted("o1")
    await gateway.reports("o1", "delivered")
    await gateway.reports("o1", "withheld", version=2)
    await gateway.consents("match")
    assert gateway.state("o1") is State.DELIVERED


async def test_what_is_due_is_decided_by_the_present_state(gateway: Gateway) -> None:
    await gateway.submitted("o1", "emp_a")
    await gateway.submitted("o2", "emp_b")
    gateway.suspended.add("emp_b")
    slot = gateway.store.rows["o2"].slot_at
    assert slot is not None
    await gateway.at(slot)
    assert gateway.state("o2") is State.DROPPED
    assert gateway.store.settled[-1].rule == Rule.SENDER_SUSPENDED
    assert gateway.slots() == [NOON]


async def cancelled_of_suspended(gateway: Gateway, *, known: set[str], limit: int = 100) -> int:
    """`known` are those that were suspended when the job began."""
    return await handlers.on_senders_suspended(gateway.store, gateway.standing, sorted(known), limit=limit)


async def test_honest_employers_do_not_wait_behind_a_suspended_one(gateway: Gateway) -> None:
    gateway.knows(BEN)
    await gateway.submitted("o1", "emp_a")
    await gateway.submitted("o2", "emp_b")
    gateway.unheard_of.add("emp_b")
    await gateway.submitted("o3", "emp_b", candidate=BEN)
    gateway.unheard_of.clear()
    gateway.suspended.add("emp_b")
    assert [await cancelled_of_suspended(gateway, known={"emp_b"}, limit=1) for _ in range(3)] == [1, 1, 0]
    assert [gateway.state(id) for id in ("o1", "o2", "o3")] == ["admitted", "dropped", "dropped"]
    assert {item.rule for item in gateway.store.settled[-2:]} == {Rule.SENDER_SUSPENDED}
    assert gateway.slots() == [NOON]


async def test_who_was_reinstated_in_between_loses_nothing_more(gateway: Gateway) -> None:
    await gateway.submitted("o1", "emp_a")
    await gateway.submitted("o2", "emp_b")
    assert await cancelled_of_suspended(gateway, known={"emp_b"}) == 0
    assert gateway.state("o2") is State.DELAYED


async def test_people_do_not_share_windows(gateway: Gateway) -> None:
    gateway.knows(BEN)
    assert await gateway.submitted("o1", candidate=ANA) is State.ADMITTED
    assert await gateway.submitted("o2", candidate=BEN) is State.ADMITTED


async def test_the_newest_key_of_a_batch_is_kept(gateway: Gateway) -> None:
    keys = {version: KeyPair.generate().public for version in (2, 3, 1)}
    batch = [
        received(CandidateKeyPublishedV1(candidate=ANA, version=version, public_key=key))
        for version, key in keys.items()
    ]
    await handlers.on_key_published(gateway.store, batch)
    assert gateway.store.keys[ANA] == (3, keys[3])


async def test_a_removed_key_is_forgotten(gateway: Gateway) -> None:
    gateway.store.keys[ANA] = (1, "key")
    await handlers.on_keys_removed(gateway.store, [ANA, BEN])
    assert gateway.store.keys == {}


async def erased(gateway: Gateway) -> None:
    event = CandidateErasedV1(candidate=ANA, at=gateway.store.at)
    await handlers.on_candidate_erased(gateway.store, [received(event)])


async def test_who_was_erased_is_not_written_to_and_nothing_of_them_comes_back(gateway: Gateway) -> None:
    await gateway.submitted("o1", "emp_a")
    await gateway.submitted("o2", "emp_b")
    await erased(gateway)
    await gateway.mailbox(reachable=False)
    await gateway.consents("match", "contact", version=9)
    key = CandidateKeyPublishedV1(candidate=ANA, version=2, public_key=KeyPair.generate().public)
    await handlers.on_key_published(gateway.store, [received(key)])
    assert (gateway.state("o2"), gateway.slots()) == (State.CANCELLED, [NOON])
    kept = gateway.store
    assert [ANA in of for of in (kept.consents, kept.memberships, kept.keys, kept.mailboxes)] == [False] * 4


async def test_a_bounce_takes_no_slot_and_its_employer_is_told_nothing_by_a_second_try(gateway: Gateway) -> None:
    await gateway.submitted("o1", "emp_a")
    await gateway.reports("o1", "bounced", detail="552 too large")
    assert (gateway.state("o1"), gateway.store.rows["o1"].slot_at) == (State.BOUNCED, None)
    assert gateway.slots() == []
    assert await gateway.submitted("o2", "emp_b") is State.ADMITTED
    gateway.store.at = gateway.windows.at = NOON + timedelta(days=89)
    assert await gateway.submitted("o3", "emp_a") is State.DROPPED
    assert gateway.store.settled[-1].rule == Rule.SAME_EMPLOYER


async def test_a_mailbox_that_is_gone_ends_all_that_waits_and_all_that_comes(gateway: Gateway) -> None:
    gateway.knows(BEN)
    await gateway.submitted("o1", "emp_a")
    await gateway.submitted("o2", "emp_b")
    await gateway.submitted("o3", "emp_a", candidate=BEN)
    gateway.unheard_of.add("emp_c")
    assert await gateway.submitted("o4", "emp_c") is State.SUBMITTED
    await gateway.reports("o1", "bounced", mailbox_gone=True)
    await gateway.mailbox(reachable=False)
    assert [gateway.state(id) for id in ("o1", "o2", "o3", "o4")] == ["bounced", "cancelled", "admitted", "submitted"]
    assert gateway.store.settled[-1].rule == Rule.MAILBOX_GONE
    assert gateway.slots() == []
    assert await gateway.submitted("o5", "emp_d") is State.SUBMITTED
    gateway.unheard_of.clear()
    await gateway.at(NOON + timedelta(seconds=30))
    assert (gateway.state("o4"), gateway.state("o5")) == (State.DROPPED, State.DROPPED)
    assert {item.rule for item in gateway.store.settled[-2:]} == {Rule.MAILBOX_GONE}
    await gateway.mailbox(reachable=True, version=2)
    assert await gateway.submitted("o6", "emp_e") is State.ADMITTED


async def test_the_newest_word_of_a_mailbox_wins_in_any_order(gateway: Gateway) -> None:
    await gateway.mailbox(reachable=True, version=2)
    await gateway.mailbox(reachable=False, version=1)
    assert await gateway.submitted("o1") is State.ADMITTED


async def test_withheld_because_the_mailbox_is_gone_says_so(gateway: Gateway) -> None:
    await gateway.submitted("o1")
    await gateway.mailbox(reachable=False)
    await gateway.reports("o1", "withheld")
    assert (gateway.state("o1"), gateway.store.settled[-1].rule) == (State.CANCELLED, Rule.MAILBOX_GONE)


async def test_withheld_because_the_sender_was_suspended_says_nothing_of_the_person(gateway: Gateway) -> None:
    await gateway.submitted("o1")
    await gateway.reports("o1", "withheld", sender_suspended=True)
    assert (gateway.state("o1"), gateway.store.settled[-1].rule) == (State.CANCELLED, Rule.SENDER_SUSPENDED)
    assert gateway.slots() == []


async def test_a_sender_not_heard_of_is_waited_for_and_then_decided(gateway: Gateway) -> None:
    gateway.unheard_of.add("emp_a")
    assert await gateway.submitted("o1") is State.SUBMITTED
    await gateway.at(NOON + timedelta(minutes=1))
    assert gateway.state("o1") is State.SUBMITTED
    gateway.unheard_of.clear()
    await gateway.at(NOON + timedelta(minutes=2))
    assert gateway.state("o1") is State.ADMITTED


async def test_a_due_slot_of_a_sender_not_heard_of_keeps_its_place(gateway: Gateway) -> None:
    await gateway.submitted("o1", "emp_a")
    await gateway.submitted("o2", "emp_b")
    gateway.unheard_of.add("emp_b")
    slot = gateway.store.rows["o2"].slot_at
    assert slot is not None
    await gateway.at(slot)
    assert (gateway.state("o2"), gateway.slots()) == (State.DELAYED, [NOON, slot])
    gateway.unheard_of.clear()
    await gateway.at(slot + timedelta(minutes=1))
    assert gateway.state("o2") is State.ADMITTED


async def test_a_sender_that_is_never_heard_of_ends_with_its_message(gateway: Gateway) -> None:
    gateway.unheard_of.add("emp_a")
    await gateway.submitted("o1")
    await gateway.at(NOON + timedelta(days=14))
    assert (gateway.state("o1"), gateway.store.settled[-1].rule) == (State.DROPPED, Rule.EXPIRED)


async def test_a_clock_ahead_of_the_windows_decides_a_due_slot_once(gateway: Gateway) -> None:
    await gateway.submitted("o1", "emp_a")
    await gateway.submitted("o2", "emp_b")
    slot = gateway.store.rows["o2"].slot_at
    assert slot is not None
    decided = len(gateway.store.settled)
    gateway.store.at, gateway.windows.at = slot, slot - timedelta(seconds=2)
    gateway.windows.step = timedelta(seconds=1)
    for _ in range(10):
        await handlers.on_due(gateway.store, gateway.store.due_work(), gateway.windows, POLICY, gateway.standing, 100)
    assert (len(gateway.store.settled), gateway.store.due["o2"]) == (decided, slot + timedelta(seconds=2))
    await gateway.at(slot + timedelta(seconds=2))
    assert gateway.state("o2") is State.ADMITTED


async def test_a_withdrawal_leaves_alone_what_may_have_overtaken_its_grant(gateway: Gateway) -> None:
    gateway.store.consents.clear()
    await gateway.submitted("o1")
    await gateway.consents("match", version=1)
    assert gateway.state("o1") is State.SUBMITTED
    await gateway.consents("match", "contact", version=2)
    await gateway.at(gateway.store.at)
    assert gateway.state("o1") is State.ADMITTED
