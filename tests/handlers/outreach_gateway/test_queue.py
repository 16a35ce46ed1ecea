"""What waits for a person is one queue: whatever moves one moves those behind it, at once, and drops none."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from services.outreach_gateway import handlers
from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.model import (
    Consent,
    Delay,
    Memberships,
    Outreach,
    Policy,
    Rule,
    Standing,
    State,
    shard_of,
)
from services.outreach_gateway.ports.windows import Epoch
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV1
from shared.contracts.outreach_gateway import OutreachRequestedV1
from shared.contracts.pool_matching import Membership, MembershipsChangedV1
from shared.contracts.signup import OutreachOutcomeReportedV1
from shared.facts import Fact, Known
from shared.messaging.envelope import Received, Record
from tests.fakes.clock import NOON
from tests.fakes.outreach_gateway import FakeStore, FakeWindows

POLICY = read_policy("2026-12")
ANA = "01890000-0000-7000-8000-00000000000a"
MARGIN = timedelta(minutes=10)
DAY, WEEK = timedelta(hours=24) + MARGIN, timedelta(days=7) + MARGIN
EMPLOYERS = frozenset(f"emp_{number}" for number in range(1, 9))


def received(event: Event) -> Received:  # type: ignore[type-arg]  # any kind: the handlers' own types say which
    record = Record(event.TOPIC.name, 0, 0, event.key.encode(), event.model_dump_json().encode(), ())
    return Received("id", "test", None, event, record)


@dataclass
class Line:
    """Ana, and what employers wrote to her: o1 of emp_1, o2 of emp_2, and so on."""

    store: FakeStore = field(default_factory=FakeStore)
    windows: FakeWindows = field(default_factory=lambda: FakeWindows(POLICY))
    policy: Policy = POLICY

    def __post_init__(self) -> None:
        self.store.consents[ANA] = Consent(ANA, 1, contact=True, time_zone="America/Denver")
        self.store.memberships[ANA] = (1, Memberships(EMPLOYERS))

    def standing(self, employer: str) -> Fact[Standing]:
        return Known(Standing.GOOD)

    async def write(self, *numbers: int, ends_after: timedelta = timedelta(days=14)) -> None:
        for number in numbers:
            at, id, employer = self.store.at, f"o{number}", f"emp_{number}"
            self.store.submit(Outreach(id, 0, State.SUBMITTED, employer, ANA, at, at + ends_after))
            event = OutreachRequestedV1(
                outreach=id, employer=employer, candidate=ANA, at=at, expires_at=at + ends_after
            )
            await handlers.on_outreach_requested(
                self.store, [received(event)], self.windows, self.policy, self.standing
            )

    async def at(self, moment: datetime) -> None:
        self.store.at = self.windows.at = moment
        await handlers.on_due(self.store, self.store.due_work(), self.windows, self.policy, self.standing, 100)

    async def report(self, number: int, outcome: str) -> None:
        event = OutreachOutcomeReportedV1.model_validate(
            {
                "outreach": f"o{number}",
                "decision_version": self.store.rows[f"o{number}"].version,
                "candidate": ANA,
                "employer": f"emp_{number}",
                "outcome": outcome,
                "at": self.store.at,
            }
        )
        await handlers.on_outcome_reported(self.store, [received(event)])

    async def say(self, **more: object) -> None:
        event = ConsentChangedV1.model_validate(
            {
                "candidate": ANA,
                "version": self.store.consents[ANA].version + 1,
                "at": self.store.at,
                "purposes": ("match", "contact"),
                "time_zone": "America/Denver",
                **more,
            }
        )
        await handlers.on_consent_changed(self.store, [received(event)])

    async def take_back(self, number: int) -> None:
        self.store.take_back(f"o{number}")
        await self.at(self.store.at)

    def slots(self) -> list[timedelta | None]:
        """Of all that waits or went, by its number, from noon on."""
        rows = [row for row in self.store.rows.values() if row.state is not State.BOUNCED]
        return [None if row.slot_at is None else row.slot_at - NOON for row in rows]

    def states(self) -> list[str]:
        return [row.state.value for row in self.store.rows.values()]


@pytest.fixture
async def line() -> Line:
    """One was admitted at noon, three wait."""
    made = Line()
    await made.write(1, 2, 3, 4)
    assert made.slots() == [timedelta(0), DAY, WEEK, DAY + WEEK]
    return made


async def test_an_outage_of_two_hours_costs_delay_and_those_behind_are_written_in_the_same_transaction(
    line: Line,
) -> None:
    late = DAY + timedelta(hours=2)
    await line.at(NOON + late)
    assert line.states() == ["admitted", "admitted", "delayed", "delayed"]
    assert line.slots() == [timedelta(0), late, WEEK, late + WEEK]
    moved = line.store.settled[-1]
    assert (moved.outreach.id, moved.decision) == (
        "o4",
        Delay(NOON + late + WEEK, Rule.NETWORK_WINDOW, NOON + late + WEEK),
    )
    for slot in (WEEK, late + WEEK):
        await line.at(NOON + slot)
    assert line.states() == ["admitted"] * 4


async def test_of_several_missed_slots_none_counts_as_sent(line: Line) -> None:
    late = timedelta(days=10)
    await line.at(NOON + late)
    assert line.states() == ["admitted", "admitted", "delayed", "delayed"]
    assert line.slots() == [timedelta(0), late, late + DAY, None]  # the fourth: no room before its end


async def test_what_the_courier_returns_goes_as_soon_as_it_may_and_moves_those_behind_it(line: Line) -> None:
    await line.at(NOON + DAY)
    await line.at(NOON + DAY + timedelta(hours=3))
    await line.report(2, "returned")
    await line.at(NOON + DAY + timedelta(hours=3))
    assert line.states() == ["admitted", "admitted", "delayed", "delayed"]
    assert line.slots()[1:] == [DAY + timedelta(hours=3), WEEK, DAY + timedelta(hours=3) + WEEK]


async def test_a_cap_that_the_person_tightens_moves_those_behind_and_drops_none(line: Line) -> None:
    await line.say(first_contacts_per_week=1)
    await line.at(NOON)
    assert line.slots() == [timedelta(0), WEEK, None, None]  # a second one in 14 days and 20 minutes is past their end
    assert line.states() == ["admitted", "delayed", "delayed", "delayed"]
    await line.say(first_contacts_per_week=2)
    await line.at(NOON)
    assert line.slots() == [timedelta(0), DAY, WEEK, DAY + WEEK]


async def test_hours_that_the_person_closes_move_those_behind(line: Line) -> None:
    await line.say(quiet_hours={"start": "11:00", "end": "14:00"})  # noon is 12:00 in Denver
    await line.at(NOON)
    assert line.slots()[1:] == [timedelta(hours=26), timedelta(days=7, hours=2), timedelta(days=8, hours=2) + MARGIN]


async def test_a_tightened_policy_moves_each_queue_when_its_first_slot_comes(line: Line) -> None:
    line.policy = line.windows.policy = replace(POLICY, network=((1, timedelta(days=7)),))
    await line.at(NOON + DAY)
    assert line.slots() == [timedelta(0), WEEK, None, None]
    assert "dropped" not in line.states()


@pytest.mark.parametrize("how", ["take_back", "withheld", "bounced"])
async def test_a_freed_slot_moves_up_whoever_is_next_and_not_whoever_comes_later(line: Line, how: str) -> None:
    if how == "take_back":
        await line.take_back(2)
    else:
        await line.report(1, how)
    await line.at(NOON)
    waits = ["cancelled", "delayed", "delayed"] if how == "take_back" else ["admitted", "delayed", "delayed"]
    assert line.states()[1:] == waits
    moved_up = [timedelta(0), DAY, WEEK]
    assert [slot for slot in line.slots() if slot is not None] == moved_up
    await line.write(5)
    assert [slot for slot in line.slots() if slot is not None] == [*moved_up, DAY + WEEK]


async def test_what_no_longer_fits_before_its_end_waits_for_room_and_is_dropped_at_its_end_alone() -> None:
    line = Line()
    await line.write(1, 2, 3)
    await line.write(4, ends_after=timedelta(days=8, hours=1))
    await line.at(NOON + DAY + timedelta(hours=2))
    assert (line.slots()[3], line.states()[3]) == (None, "delayed")
    assert line.store.due["o4"] == NOON + timedelta(days=8, hours=1)
    await line.take_back(3)
    await line.at(line.store.at)
    assert line.slots()[3] == WEEK
    line.store.rows["o3"] = line.store.rows["o3"]._replace(
        state=State.DELAYED, taken_back_at=None
    )  # as if it had never been taken back
    await line.store.plan_again([ANA])
    await line.at(line.store.at)
    assert line.slots()[2:] == [WEEK, None]
    await line.at(NOON + timedelta(days=8, minutes=50))
    assert line.states()[3] == "delayed"
    await line.at(NOON + timedelta(days=8, hours=1))
    assert (line.states()[3], line.store.settled[-1].rule) == ("dropped", Rule.EXPIRED)


async def test_who_left_a_pool_keeps_its_place_until_its_slot_comes_and_others_then_move_up(line: Line) -> None:
    rest = tuple(Membership(pool=f"p_{employer}", employer=employer, since=NOON) for employer in EMPLOYERS - {"emp_2"})
    await handlers.on_memberships_changed(
        line.store, [received(MembershipsChangedV1(candidate=ANA, version=2, pools=rest))]
    )
    await line.write(5)
    assert line.slots()[:4] == [timedelta(0), DAY, WEEK, DAY + WEEK]
    await line.at(NOON + DAY)
    assert line.states()[:4] == ["admitted", "dropped", "admitted", "delayed"]
    assert line.slots()[2:4] == [DAY, WEEK]


async def test_what_waits_for_a_held_shard_is_left_as_it_is_and_a_withdrawal_is_handled(line: Line) -> None:
    line.store.epochs[shard_of(ANA)] = Epoch("another")
    before = dict(line.store.rows)
    await line.at(NOON + DAY)
    assert line.store.rows == before
    line.windows.held = frozenset()
    await line.write(5)
    assert line.store.rows["o5"].state is State.SUBMITTED
    assert line.store.due["o5"] == line.store.at, "it is due as soon as the shard is back"
    await line.say(purposes=("match",))
    assert line.states()[:4] == ["admitted", "cancelled", "cancelled", "cancelled"]
    line.store.epochs[shard_of(ANA)], line.windows.held = Epoch("one"), frozenset()
    await line.at(NOON + DAY + timedelta(minutes=1))
    assert line.states()[4] == "dropped", "nobody grants it any more"
