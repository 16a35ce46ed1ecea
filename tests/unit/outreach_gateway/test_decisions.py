"""What the gateway decides before and after the windows."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.decisions import (
    OF_THE_PERSON,
    OF_THE_SENDER,
    Asked,
    after_windows,
    before_windows,
    nothing_stands_against,
    what_stands_against,
    windows_of,
)
from services.outreach_gateway.explain import in_plain_words
from services.outreach_gateway.model import (
    Admit,
    Ask,
    Cancel,
    Consent,
    Delay,
    Drop,
    Hold,
    Memberships,
    NoSlot,
    Outreach,
    Person,
    Rule,
    Slot,
    Standing,
    State,
)
from services.outreach_gateway.queue import in_order, line_up
from shared.facts import UNKNOWN, Fact, Known
from shared.security.member_refs import tag_of

POLICY = read_policy("2026-12")
AT = datetime(2026, 11, 24, 19, 0, tzinfo=UTC)
GOOD, SUSPENDED = Known(Standing.GOOD), Known(Standing.SUSPENDED)
CONSENT = Consent("c", 1, contact=True, time_zone="America/Denver")
PERSON = Person(Known(CONSENT), Known(Memberships(frozenset({"emp_a"}))))
OUTREACH = Outreach("o_1", 0, State.SUBMITTED, "emp_a", "c", AT, AT + timedelta(days=14))
LATER = AT + timedelta(seconds=31)


def verdict(
    person: Person = PERSON, outreach: Outreach = OUTREACH, *, sender: Fact[Standing] = GOOD, at: datetime = AT
) -> Drop | Hold | Ask:
    return before_windows(POLICY, outreach, person, sender=sender, at=at)


def answered(answer: Slot | NoSlot, outreach: Outreach = OUTREACH, *, at: datetime = AT) -> Admit | Delay | Drop | Hold:
    ask = verdict(outreach=outreach, at=at)
    assert isinstance(ask, Ask)
    return after_windows(POLICY, Asked(POLICY, outreach, PERSON, GOOD, at), ask, ask, answer)


def test_a_person_who_allows_it_is_asked_for_at_the_windows() -> None:
    asked = verdict()
    assert isinstance(asked, Ask)
    assert asked.until == OUTREACH.expires_at - timedelta(milliseconds=1)


IN_THE_POOL = Known(Memberships(frozenset({"emp_a"})))
AGAINST_IT = {
    "erased": Person(UNKNOWN, UNKNOWN, erased=True),
    "off": Person(Known(CONSENT._replace(contact=False)), IN_THE_POOL),
    "in no pool": Person(Known(CONSENT), Known(Memberships(frozenset({"emp_b"})))),
    "in no pool, and nothing else heard": Person(UNKNOWN, Known(Memberships(frozenset()))),
    "paused": Person(Known(CONSENT._replace(paused_until=AT + timedelta(days=1))), IN_THE_POOL),
    "over": Person(Known(CONSENT._replace(ends_at=AT)), IN_THE_POOL),
    "blocked": Person(Known(CONSENT._replace(blocked_employers=frozenset({"emp_a"}))), IN_THE_POOL),
    "no mailbox": Person(Known(CONSENT), IN_THE_POOL, Known(value=False)),
}
FOUND_IN_P_1 = OUTREACH._replace(pool_tag=tag_of("p_1"), generation=1)


def member(*pools: str, generation: int = 1) -> Person:
    return Person(Known(CONSENT), Known(Memberships(frozenset({"emp_a"}), frozenset(pools), generation)))


@pytest.mark.parametrize("person", [member("p_2"), member(), member("p_1", generation=2)])
def test_whoever_left_the_pool_or_withdrew_is_not_written_to_by_way_of_another_pool(person: Person) -> None:
    late = AT + timedelta(days=1)
    assert verdict(person, FOUND_IN_P_1, at=late) == Drop(Rule.NOT_A_MEMBER)


@pytest.mark.parametrize(
    ("person", "outreach"),
    [
        (member("p_1", "p_2"), FOUND_IN_P_1),
        (member("p_2"), OUTREACH),  # from before refs knew a pool
        (PERSON, FOUND_IN_P_1),  # kept before pools were
    ],
)
def test_who_is_still_in_the_pool_is_asked_for_and_where_it_is_not_known_any_of_the_employer_will_do(
    person: Person, outreach: Outreach
) -> None:
    assert isinstance(verdict(person, outreach), Ask)


def test_who_came_again_and_is_not_heard_of_yet_is_waited_for() -> None:
    late = AT + timedelta(days=1)
    assert isinstance(verdict(member("p_1", generation=0), FOUND_IN_P_1, at=late), Hold)


UNHEARD = {
    "nothing heard": Person(UNKNOWN, UNKNOWN),
    "no consent heard": Person(UNKNOWN, IN_THE_POOL, Known(value=True)),
    "no membership heard": Person(Known(CONSENT), UNKNOWN),
}


@pytest.mark.parametrize("what", UNHEARD)
def test_what_has_not_arrived_holds_the_message_until_its_own_end_and_refuses_nothing(what: str) -> None:
    person = UNHEARD[what]
    assert verdict(person) == Hold(AT + timedelta(seconds=30))
    assert verdict(person, at=LATER) == Hold(LATER + timedelta(seconds=31))
    assert verdict(person, at=AT + timedelta(days=3)) == Hold(AT + timedelta(days=3, minutes=1))
    assert verdict(person, at=OUTREACH.expires_at) == Drop(Rule.EXPIRED)
    waits = OUTREACH._replace(state=State.DELAYED, slot_at=LATER)
    assert isinstance(verdict(person, waits, at=LATER), Hold), "nor is anything cancelled"
    line = line_up(POLICY, person, [waits], sender=lambda _: GOOD, at=LATER)
    assert all(isinstance(decision, Hold) for _, decision in line.decided)


@pytest.mark.parametrize("what", ["nothing heard", "no consent heard"])
def test_an_offer_is_over_for_whoever_has_no_zone_yet_once_it_is_over_everywhere(what: str) -> None:
    over_in_the_east, over_everywhere = DENVER_MIDNIGHT, datetime(2026, 11, 25, 11, tzinfo=UTC)
    late = ENDS_TODAY._replace(submitted_at=over_in_the_east - timedelta(minutes=1))
    assert isinstance(verdict(UNHEARD[what], late, at=over_in_the_east), Hold)
    assert verdict(UNHEARD[what], late, at=over_everywhere) == Drop(Rule.EXPIRED)


@pytest.mark.parametrize("why", AGAINST_IT)
def test_whatever_of_the_person_stands_against_it_is_decided_after_30_seconds(why: str) -> None:
    assert verdict(AGAINST_IT[why]) == Hold(AT + timedelta(seconds=30))
    assert isinstance(verdict(AGAINST_IT[why], at=LATER), Drop)


@pytest.mark.parametrize("why", AGAINST_IT)
def test_what_is_the_senders_own_is_decided_at_once_whoever_the_person_is(why: str) -> None:
    offer_is_over = OUTREACH._replace(valid_through=date(2026, 11, 23))
    assert verdict(AGAINST_IT[why], offer_is_over, sender=SUSPENDED) == Drop(Rule.SENDER_SUSPENDED)
    brief = offer_is_over._replace(expires_at=AT)
    assert verdict(AGAINST_IT[why], brief) == Drop(Rule.EXPIRED)


def test_a_suspended_sender_is_dropped() -> None:
    assert verdict(sender=SUSPENDED) == Drop(Rule.SENDER_SUSPENDED)


def test_an_expired_outreach_is_dropped() -> None:
    assert verdict(at=OUTREACH.expires_at) == Drop(Rule.EXPIRED)


def test_a_slot_that_is_due_admits_for_ten_minutes() -> None:
    assert answered(Slot(AT, AT, None)) == Admit(AT, AT + timedelta(minutes=10))


def test_a_later_slot_delays_with_its_reason() -> None:
    assert answered(Slot(LATER, AT, Rule.NETWORK_GAP)) == Delay(LATER, Rule.NETWORK_GAP, LATER)


def test_no_slot_drops_with_its_reason() -> None:
    assert answered(NoSlot(Rule.NETWORK_WINDOW)) == Drop(Rule.NETWORK_WINDOW)


def test_a_person_can_only_tighten_the_windows() -> None:
    loose = windows_of(POLICY, CONSENT._replace(first_contacts_per_week=50, min_gap_hours=1))
    tight = windows_of(POLICY, CONSENT._replace(first_contacts_per_week=1, min_gap_hours=72))
    plain = windows_of(POLICY, CONSENT)
    assert loose == plain
    assert {window.cap for window in tight if window.length < timedelta(days=8)} == {1}
    assert next(window for window in tight if window.rule is Rule.NETWORK_GAP).length == timedelta(hours=72, minutes=10)


def test_every_window_is_ten_minutes_longer_than_the_policy_says() -> None:
    lengths = {window.length - timedelta(minutes=10) for window in windows_of(POLICY, CONSENT)}
    assert lengths == {timedelta(hours=24), timedelta(days=7), timedelta(days=30), timedelta(days=90)}


def test_halved_caps_never_fall_below_one() -> None:
    assert all(1 <= window.halved <= window.cap for window in windows_of(POLICY, CONSENT))


def test_every_rule_can_be_explained_to_the_operator() -> None:
    assert len({in_plain_words(rule) for rule in (*Rule, None)}) == len(Rule) + 1


def test_words_that_were_sealed_to_nobody_are_not_sent() -> None:
    unread = OUTREACH._replace(key_missing=True)
    assert verdict(outreach=unread) == Hold(AT + timedelta(seconds=30)), "as whatever stands against it"
    assert verdict(outreach=unread, at=LATER) == Drop(Rule.KEY_MISSING)
    assert verdict(UNHEARD["nothing heard"], unread, at=LATER) == Drop(Rule.KEY_MISSING)


def wrote(*rows: Outreach, at: datetime = AT) -> Drop | Hold | Ask:
    """What is decided of a message whose employer wrote these to the person."""
    return before_windows(POLICY, OUTREACH, PERSON, sender=GOOD, at=at, earlier=[*rows, OUTREACH])


def before(days: float, state: State = State.DROPPED, **more: datetime) -> Outreach:
    submitted_at = AT - timedelta(days=days)
    return OUTREACH._replace(id="o_0", state=state, submitted_at=submitted_at, **more)  # type: ignore[arg-type]  # of Outreach


@pytest.mark.parametrize("state", State)
def test_whoever_wrote_to_a_person_does_not_reach_them_for_14_days_whatever_became_of_it(state: State) -> None:
    assert wrote(before(13.9, state)) == Drop(Rule.SAME_EMPLOYER)
    assert isinstance(wrote(before(14, state)), Ask)
    assert isinstance(wrote(before(-1, state)), Ask), "what came after it does not count"


def test_of_two_at_once_one_counts_as_earlier() -> None:
    twin = OUTREACH._replace(id="o_2")
    assert isinstance(wrote(twin), Ask)
    assert before_windows(POLICY, twin, PERSON, sender=GOOD, at=AT, earlier=[OUTREACH, twin]) == Drop(
        Rule.SAME_EMPLOYER
    )


@pytest.mark.parametrize("state", [State.DELIVERED, State.BOUNCED, State.DOUBTFUL])
def test_what_was_sent_closes_its_person_to_the_employer_for_90_days_though_it_bounced(state: State) -> None:
    sent_at = datetime(2026, 8, 26, 10, tzinfo=UTC)
    message = before(100, state, sent_at=sent_at)
    reopens = datetime(2026, 11, 25, tzinfo=UTC)  # 90 days after the day's end
    assert wrote(message, at=reopens - timedelta(seconds=1)) == Drop(Rule.SAME_EMPLOYER)
    assert isinstance(wrote(message, at=reopens), Ask)


def test_what_its_employer_took_back_leaves_the_queue_whatever_else_holds() -> None:
    waits = OUTREACH._replace(state=State.DELAYED, slot_at=LATER, taken_back_at=AT)
    behind = OUTREACH._replace(id="o_2", employer="emp_b", submitted_at=AT + timedelta(seconds=1))
    person = replace(PERSON, memberships=Known(Memberships(frozenset({"emp_a", "emp_b"}))))
    line = line_up(POLICY, person, [waits, behind], sender=lambda _: UNKNOWN, at=LATER)
    assert (waits, Cancel(Rule.CANCELLED_BY_SENDER)) in line.decided
    line = line_up(POLICY, person, [waits, behind], sender=lambda _: GOOD, at=LATER)
    assert line.queue is not None
    assert [place.outreach for place in line.queue.leaving] == ["o_1"]
    assert [ask.outreach for ask in line.queue.waiting] == ["o_2"]


def test_quiet_hours_and_policy_reach_the_windows_as_open_hours() -> None:
    person = replace(PERSON, consent=Known(CONSENT._replace(quiet_start=time(12), quiet_end=time(8))))
    queue = line_up(POLICY, person, [OUTREACH], sender=lambda _: GOOD, at=AT).queue
    assert queue is not None
    first = queue.open_hours[1]
    assert [datetime.fromtimestamp(ms / 1000, UTC) for ms in first] == [
        datetime(2026, 11, 24, 15, 0, tzinfo=UTC),
        datetime(2026, 11, 24, 18, 50, tzinfo=UTC),
    ]


def test_the_queue_is_in_the_order_of_arrival() -> None:
    rows = [OUTREACH._replace(id=f"o_{n}", submitted_at=AT - timedelta(hours=n % 3)) for n in range(5)]
    assert [row.id for row in in_order(rows)] == ["o_2", "o_1", "o_4", "o_0", "o_3"]


def test_what_had_a_place_and_has_none_any_more_waits_for_room_until_its_own_end() -> None:
    waits = OUTREACH._replace(state=State.DELAYED, slot_at=AT)
    assert answered(NoSlot(Rule.NETWORK_WINDOW), waits) == Delay(None, Rule.NETWORK_WINDOW, OUTREACH.expires_at)
    offer = waits._replace(valid_through=date(2026, 11, 24))
    assert answered(NoSlot(Rule.NETWORK_WINDOW), offer) == Delay(None, Rule.NETWORK_WINDOW, DENVER_MIDNIGHT)
    again = waits._replace(slot_at=None)
    assert answered(NoSlot(Rule.NETWORK_WINDOW), again) == Hold(OUTREACH.expires_at)
    returned = waits._replace(state=State.SUBMITTED)
    assert isinstance(answered(NoSlot(Rule.HOURS), returned), Delay)


DENVER_MIDNIGHT = datetime(2026, 11, 25, 7, tzinfo=UTC)  # the end of November 24 in Denver
ENDS_TODAY = OUTREACH._replace(valid_through=date(2026, 11, 24))


def test_no_slot_is_asked_for_after_the_last_day_of_the_offer_where_the_person_is() -> None:
    asked = verdict(outreach=ENDS_TODAY)
    assert isinstance(asked, Ask)
    assert asked.until < DENVER_MIDNIGHT <= asked.until + timedelta(seconds=1)
    assert asked.offer_ends


def test_a_message_that_no_slot_fits_before_its_offer_ends_is_decided_after_30_seconds() -> None:
    assert answered(NoSlot(Rule.NETWORK_GAP), ENDS_TODAY) == Hold(AT + timedelta(seconds=30))
    assert answered(NoSlot(Rule.NETWORK_GAP), ENDS_TODAY, at=LATER) == Drop(Rule.EXPIRED)
    assert answered(NoSlot(Rule.SAME_EMPLOYER), ENDS_TODAY) == Drop(Rule.SAME_EMPLOYER)


def test_what_ends_in_the_persons_zone_alone_is_decided_after_30_seconds() -> None:
    late = ENDS_TODAY._replace(submitted_at=DENVER_MIDNIGHT)
    told_at = DENVER_MIDNIGHT + timedelta(seconds=30)
    assert verdict(outreach=late, at=DENVER_MIDNIGHT) == Hold(told_at)
    assert verdict(outreach=late, at=told_at) == Drop(Rule.EXPIRED)


def test_a_sender_not_heard_of_is_waited_for_whatever_the_persons_zone() -> None:
    assert isinstance(verdict(outreach=ENDS_TODAY, sender=UNKNOWN, at=DENVER_MIDNIGHT), Hold)


def test_what_comes_due_after_its_offer_is_dropped() -> None:
    last = DENVER_MIDNIGHT - timedelta(milliseconds=1)
    assert isinstance(verdict(outreach=ENDS_TODAY, at=last), Ask)
    assert verdict(outreach=ENDS_TODAY, at=DENVER_MIDNIGHT) == Drop(Rule.EXPIRED)


def test_without_a_zone_the_day_ends_where_it_ends_first() -> None:
    nowhere = replace(PERSON, consent=Known(CONSENT._replace(time_zone=None)))
    new_york = datetime(2026, 11, 25, 5, tzinfo=UTC)
    assert isinstance(verdict(nowhere, ENDS_TODAY, at=new_york - timedelta(seconds=1)), Ask)
    assert verdict(nowhere, ENDS_TODAY, at=new_york) == Drop(Rule.EXPIRED)


@pytest.mark.parametrize("day", [date.max, date.max - timedelta(days=1), date(9999, 1, 1), None])
def test_an_offer_without_a_foreseeable_end_ends_with_the_message(day: date | None) -> None:
    asked = verdict(outreach=OUTREACH._replace(valid_through=day))
    assert isinstance(asked, Ask)
    assert not asked.offer_ends
    assert answered(NoSlot(Rule.HOURS), OUTREACH._replace(valid_through=day), at=LATER) == Drop(Rule.HOURS)


def test_a_slot_shortly_before_the_end_is_good_until_the_end_alone() -> None:
    ends = OUTREACH._replace(expires_at=AT + timedelta(minutes=3))
    admitted = answered(Slot(AT, AT, None), ends)
    assert isinstance(admitted, Admit)
    assert admitted.good_until < ends.expires_at


def test_a_sender_not_heard_of_is_held_rarely_and_rarer_until_the_message_ends() -> None:
    def until(waited: timedelta) -> timedelta:
        held = verdict(sender=UNKNOWN, at=AT + waited)
        assert isinstance(held, Hold)
        return held.until - AT - waited

    waits = [timedelta(seconds=-5), timedelta(seconds=20), timedelta(days=3)]
    assert [until(waited) for waited in waits] == [timedelta(seconds=1), timedelta(seconds=20), timedelta(minutes=1)]
    assert verdict(sender=UNKNOWN, at=OUTREACH.expires_at) == Drop(Rule.EXPIRED)


def test_nobody_writes_to_a_mailbox_that_is_gone() -> None:
    gone = Person(UNKNOWN, UNKNOWN, Known(value=False))  # the profile is taken back as well: the reason stays this one
    assert verdict(gone, at=LATER) == Drop(Rule.MAILBOX_GONE)


def test_a_slot_that_did_not_move_is_no_news_and_is_looked_at_again_by_our_own_clock() -> None:
    slot, theirs = AT + timedelta(seconds=1), AT - timedelta(seconds=1)
    waiting = OUTREACH._replace(state=State.DELAYED, slot_at=slot)
    assert answered(Slot(slot, theirs, Rule.HOURS), waiting) == Hold(AT + timedelta(seconds=2))
    moved = waiting._replace(slot_at=slot - timedelta(hours=1))
    assert answered(Slot(slot, theirs, Rule.HOURS), moved) == Delay(slot, Rule.HOURS, AT + timedelta(seconds=2))


MOMENTS = st.none() | st.sampled_from([AT - timedelta(days=1), AT, AT + timedelta(days=1)])
EMPLOYERS = st.frozensets(st.sampled_from(["emp_a", "emp_b"]))
CONSENTS = st.builds(
    Consent,
    st.just("c"),
    st.just(1),
    contact=st.booleans(),
    blocked_employers=EMPLOYERS,
    time_zone=st.sampled_from([None, "America/Denver"]),
    paused_until=MOMENTS,
    ends_at=MOMENTS,
)
MEMBERSHIPS = st.builds(
    Memberships, EMPLOYERS, st.none() | st.frozensets(st.sampled_from(["p_1", "p_2"])), st.integers(0, 2)
)
MESSAGES = st.builds(
    Outreach,
    st.sampled_from(["o_1", "o_2"]),
    st.just(0),
    st.sampled_from([State.SUBMITTED, State.DELAYED, State.DELIVERED]),
    st.just("emp_a"),
    st.just("c"),
    st.sampled_from([AT - timedelta(days=3), AT]),
    st.sampled_from([AT, AT + timedelta(days=14)]),
    valid_through=st.none() | st.sampled_from([AT.date() - timedelta(days=1), AT.date(), date.max]),
    pool_tag=st.none() | st.sampled_from([tag_of("p_1"), tag_of("p_2")]),
    generation=st.integers(0, 2),
    sent_at=MOMENTS,
    key_missing=st.booleans(),
)


def told(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A fact of these, or that nothing has arrived; mostly a fact."""
    return st.builds(Known, values) | st.builds(Known, values) | st.just(UNKNOWN)


PEOPLE = st.builds(Person, told(CONSENTS), told(MEMBERSHIPS), told(st.booleans()), st.booleans())
ASKED = st.builds(
    Asked,
    st.just(POLICY),
    MESSAGES
    | st.sampled_from([OUTREACH, FOUND_IN_P_1, OUTREACH._replace(key_missing=True), OUTREACH._replace(expires_at=AT)]),
    PEOPLE,
    told(st.sampled_from(Standing)),
    st.just(AT),
    st.just([]) | st.lists(MESSAGES, max_size=2),
)


def _says_what_the_rules_say(asked: Asked) -> bool:
    by_the_rules = all(rule(asked) is None for rule in (*OF_THE_SENDER, *OF_THE_PERSON))
    assert nothing_stands_against(asked) == by_the_rules
    found = before_windows(
        POLICY, asked.outreach, asked.person, sender=asked.sender, at=asked.at, earlier=asked.earlier
    )
    assert found == what_stands_against(asked)
    assert isinstance(found, Ask) == by_the_rules
    return by_the_rules


@given(ASKED)
def test_nothing_stands_against_a_message_where_no_rule_does(asked: Asked) -> None:
    _says_what_the_rules_say(asked)


def _consent(**other: Any) -> dict[str, Any]:
    return {"person": replace(PERSON, consent=Known(CONSENT._replace(**other)))}


ORDINARY = Asked(POLICY, OUTREACH, PERSON, GOOD, AT)
OTHERWISE: list[dict[str, Any]] = [
    {},
    *(_consent(**one) for one in ({"contact": False}, {"paused_until": AT + timedelta(days=1)}, {"ends_at": AT})),
    _consent(blocked_employers=frozenset({"emp_a"})),
    {"person": replace(PERSON, consent=UNKNOWN)},
    {"person": replace(PERSON, memberships=UNKNOWN)},
    {"person": replace(PERSON, erased=True)},
    {"person": replace(PERSON, reachable=Known(value=False))},
    *({"person": member(pool)} for pool in ("p_1", "p_2")),
    {"person": Person(Known(CONSENT), Known(Memberships(frozenset({"emp_b"}))))},
    {"outreach": FOUND_IN_P_1},
    {"outreach": OUTREACH._replace(key_missing=True)},
    {"outreach": OUTREACH._replace(expires_at=AT)},
    {"outreach": OUTREACH._replace(valid_through=AT.date() - timedelta(days=1))},
    {"sender": SUSPENDED},
    {"sender": UNKNOWN},
    {"earlier": [OUTREACH]},
    {"earlier": [OUTREACH._replace(id="o_0", submitted_at=AT - timedelta(hours=1)), OUTREACH]},
]


def test_each_single_thing_that_stands_against_it_and_any_two_are_seen_as_the_rules_see_them() -> None:
    allowed = [
        _says_what_the_rules_say(
            replace(ORDINARY, **one, **{name: what for name, what in other.items() if name not in one})
        )
        for one in OTHERWISE
        for other in OTHERWISE
    ]
    assert 0 < sum(allowed) < len(allowed)
