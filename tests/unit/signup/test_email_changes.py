"""What follows from the answers of two mailboxes and the clock, whatever their order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.signup.decisions.email_changes import answered, concerns, due, may_begin, may_recover
from services.signup.decisions.recovery_codes import code_hash, new_code, read_code
from services.signup.model.email_changes import (
    ANSWERED_WITHIN,
    WAY_BACK,
    Act,
    Asked,
    Changed,
    Changes,
    Ends,
    Noted,
    Nothing,
    PutsBack,
    Recovering,
    Standing,
    Stops,
    Waiting,
)
from services.signup.vault.addresses import mailbox
from tests.fakes.clock import NOON
from tests.fakes.email_changes import FakeEmailChanges

MINUTE = timedelta(minutes=1)
SOON, LATER = NOON + ANSWERED_WITHIN, NOON + WAY_BACK
AGREED = Asked(SOON, new_said=True, old_said=True)


@pytest.mark.parametrize(
    ("standing", "act", "at", "outcome"),
    [
        (None, "not_me", NOON, Nothing("over")),
        (Asked(SOON), "new_yes", NOON, Noted(Asked(SOON, new_said=True))),
        (Asked(SOON), "old_yes", NOON, Noted(Asked(SOON, old_said=True))),
        (Asked(SOON, new_said=True), "new_yes", NOON, Nothing("already")),
        (Asked(SOON, new_said=True), "old_yes", NOON, Changes(Changed(LATER))),
        (Asked(SOON, old_said=True), "new_yes", NOON, Changes(Changed(LATER))),
        (Asked(SOON, old_said=True), "new_yes", SOON, Nothing("over")),
        (Asked(SOON), "not_me", SOON, Stops()),
        (AGREED, "old_yes", LATER, Nothing("already")),
        (AGREED, "not_me", LATER, Stops()),
        (Recovering(SOON), "old_yes", NOON, Nothing("already")),
        (Recovering(SOON), "new_yes", NOON, Noted(Waiting(LATER))),
        (Recovering(SOON), "new_yes", SOON, Nothing("over")),
        (Recovering(SOON), "not_me", NOON, Stops()),
        (Waiting(LATER), "new_yes", NOON, Nothing("already")),
        (Waiting(LATER), "not_me", NOON, Stops()),
        (Changed(LATER), "old_yes", NOON, Nothing("already")),
        (Changed(LATER), "not_me", LATER - MINUTE, PutsBack()),
        (Changed(LATER), "not_me", LATER, Nothing("over")),
    ],
)
def test_what_an_answer_brings(standing: Standing | None, act: Act, at: datetime, outcome: object) -> None:
    assert answered(standing, act, at=at) == outcome


@pytest.mark.parametrize(
    ("standing", "outcome"),
    [
        (Asked(NOON, new_said=True), Ends(gives_up=False)),
        (Asked(NOON, new_said=True, old_said=True), Changes(Changed(LATER))),
        (Recovering(NOON), Ends(gives_up=False)),
        (Waiting(NOON), Changes(None)),
        (Changed(NOON), Ends(gives_up=True)),
    ],
)
def test_what_the_clock_brings_and_not_before_its_time(standing: Standing, outcome: object) -> None:
    assert due(standing, at=NOON - MINUTE) == Nothing("already")
    assert due(standing, at=NOON) == outcome


def test_another_change_takes_the_place_of_one_that_counts_for_nothing_yet_and_of_no_other() -> None:
    assert all(may_begin(one) for one in (None, Asked(SOON, new_said=True)))
    assert not any(may_begin(one) for one in (AGREED, Recovering(SOON), Waiting(LATER), Changed(LATER)))
    assert all(may_recover(one) for one in (None, Asked(SOON, new_said=True), Recovering(SOON), Waiting(LATER)))
    assert not may_recover(Changed(LATER))


def test_a_not_me_counts_for_a_later_change_of_the_same_mailbox_and_a_yes_for_its_own_alone() -> None:
    for act in ("new_yes", "old_yes"):
        assert not concerns(is_same=False, act=act, issued_at=NOON, old_since=NOON - MINUTE)
        assert concerns(is_same=True, act=act, issued_at=NOON, old_since=NOON + MINUTE)
    assert concerns(is_same=False, act="not_me", issued_at=NOON + MINUTE, old_since=NOON)
    assert not concerns(is_same=False, act="not_me", issued_at=NOON, old_since=NOON)


def test_a_recovery_code_is_read_however_it_was_typed_and_is_known_under_its_own_key_alone() -> None:
    code = new_code()
    assert len(code) == 29 and code != new_code()
    plain = code.replace("-", "")
    wide = "".join(chr(ord(mark) + 0xFEE0) for mark in plain)  # of a Japanese keyboard
    misread = code.replace("0", "O").replace("1", "l").replace("V", "U")
    for typed in (code.lower(), f" {plain} ", misread, code.replace("-", " "), wide, code.replace("-", "\u2011")):
        assert read_code(typed) == plain
        assert code_hash(typed, b"k" * 32) == code_hash(code, b"k" * 32)
    assert code_hash(code, b"k" * 32) != code_hash(code, b"l" * 32)
    assert read_code(plain[:-1]) is None and read_code("") is None and read_code("\u0410" * 24) is None


@dataclass
class Seen:
    """What the mailboxes have said by the links that they were sent."""

    said_new: set[tuple[str, str]] = field(default_factory=set)
    said_old: set[tuple[str, str]] = field(default_factory=set)
    asked_by_code: set[str] = field(default_factory=set)


MAILS = ("a@x.test", "b@x.test", "c@x.test", "A+tag@x.test")
ACTS: tuple[Act, Act] = ("new_yes", "old_yes")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("ask", "recover", "new_yes", "old_yes", "not_me", "old_not_me", "clock", "erase"),
                *("told_of", "agree", "closed", "answers"),
            ]
        ),
        st.integers(0, 1),
        st.sampled_from(MAILS),
        st.sampled_from([MINUTE, 16 * MINUTE, WAY_BACK - MINUTE, WAY_BACK, timedelta()]),
    ),
    max_size=40,
)


@given(STEPS)
@example([(what, 0, "c@x.test", MINUTE) for what in ("ask", "told_of", "agree", "closed", "clock")])
@example([(what, 0, "c@x.test", MINUTE) for what in ("ask", "told_of", "agree", "answers", "clock")])
async def test_whatever_happens_no_mailbox_has_two_owners_none_is_taken_unasked_and_a_not_me_wins(
    steps: list[tuple[str, int, str, timedelta]],
) -> None:
    world = FakeEmailChanges()
    people = ["p0", "p1"]
    world.emails.update(p0="a@x.test", p1="b@x.test")
    codes = {who: await world.make_code(who, first_alone=True) for who in people}
    yes: dict[str, set[str]] = {}
    links: list[tuple[str, str, datetime]] = []
    told = 0
    for what, place, mail, span in steps:
        who = people[place]
        before, row = dict(world.emails), world.rows.get(who)
        change = row.id if row else "none"
        match what:
            case "told_of":
                told += world.told_of(f"stub{told}", row.new if row is not None else mail)
            case "ask":
                await world.ask(who, mail, b"")
            case "recover":
                await world.recover(world.emails.get(who, mail), codes[who] or "", mail, b"")
            case "new_yes" | "old_yes":
                # Whoever has no mailbox of that change has no link of it.
                if what == "new_yes" and row is not None and world.owners(row.new) - {who}:
                    continue
                yes.setdefault(change, set()).add(what)
                outcome = await world.answer(who, change, "new_yes" if what == "new_yes" else "old_yes", world.at)
                assert outcome != Nothing("taken"), "a stranger's word that nobody answered ends no change"
            case "agree" if row is not None and not world.owners(row.new) - {who}:
                yes.setdefault(change, set()).update({"new_yes", "old_yes"})
                for act in ACTS:
                    outcome = await world.answer(who, change, act, world.at)
                    assert outcome != Nothing("taken"), "a stranger's word that nobody answered ends no change"
            case "not_me":
                outcome = await world.answer(who, change, "not_me", world.at)
                if row is not None and world.at < row.standing.until:
                    assert isinstance(outcome, Stops | PutsBack)
                    assert world.emails[who] == row.old and who not in world.rows
            case "old_not_me" if links:
                whom, link, issued_at = links[0]
                now = world.rows.get(whom)
                outcome = await world.answer(whom, link, "not_me", issued_at)
                if isinstance(outcome, Stops | PutsBack):
                    assert now is not None and (now.id == link or issued_at > now.old_since)
            case "closed" if world.stubs:
                world.closed(min(world.stubs))
            case "answers" if world.stubs:
                world.answers(stub := min(world.stubs))
                before[stub] = world.emails[stub]
            case "clock":
                world.at += span
                await world.settle(100)
            case "erase":
                world.erase(who)
            case _:
                pass
        if (begun := world.rows.get(who)) is not None and begun.id != change:
            links.append((who, begun.id, world.at))
        boxes = [mailbox(one) for one in (*world.emails.values(), *world.stubs.values())]
        assert len(set(boxes)) == len(boxes), "two owners of a mailbox"
        for one in MAILS:
            assert len(world.owners(one)) <= 1, "a mailbox that was given up a moment ago is nobody else's"
        for whose, email in world.emails.items():
            if email != before.get(whose):
                known = row if whose == who else None
                moved = world.rows.get(whose)
                of = moved or known
                if of is not None and email == of.new and isinstance(of.standing, Changed):
                    assert yes[of.id] == {"new_yes", "old_yes"}
                elif what == "clock":
                    assert email in MAILS  # a recovery whose 72 hours are over: its new mailbox said yes
                else:
                    assert of is not None and email == of.old, "nothing but a way back moves it otherwise"
