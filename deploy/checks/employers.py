"""Recounts what employers were told: only what they may know, and the truth."""

from collections.abc import Iterator

from deploy.checks import told
from deploy.checks.history import USED, History
from deploy.checks.policy import PolicyWindows
from deploy.checks.violation import Violation


def employers_are_told_a_word_and_a_day(history: History, _: PolicyWindows) -> Iterator[Violation]:
    """No answer to an employer has a reason, an hour or an `until`, and all but its own acts is told at its own ticks."""
    for answer in history.answers:
        for wrong in told.what_is_wrong_with(answer):
            yield Violation("a word and a day", answer.employer, wrong)
    for row in told.off_the_ticks(history.told, history.told_every):
        yield Violation("a word and a day", row.outreach, f"it was told between the ticks, at {row.at}")


def what_is_told_sent_was_sent(history: History, _: PolicyWindows) -> Iterator[Violation]:
    """It went out on the day that is told, and that day was over; nothing that went out is told not to have."""
    for row in history.told:
        went_out = [item for item in history.outcomes_of.get(row.outreach, ()) if item.outcome in USED]
        if row.state == "not_sent" and went_out:
            yield Violation("what is told is true", row.outreach, "it went out and is told not to have")
        if row.state != "sent":
            continue
        days = {day for item in went_out for day in told.days_around(item.at)}
        if row.sent_on not in days:
            yield Violation("what is told is true", row.outreach, f"it is told sent on {row.sent_on}, and was not")
        elif not told.is_over(row.sent_on, row.at):
            yield Violation("what is told is true", row.outreach, "it is told on the day itself")
    for twice in told.twice_told(history.told):
        yield Violation("what is told is true", twice.partition(":")[0], f"it has two ends: {twice}")


def every_sender_hears_by_the_day_it_was_told(history: History, _: PolicyWindows) -> Iterator[Violation]:
    """Once that day is over it knows; and nobody hears before it that something was not sent."""
    last = told.last_of(history.told)
    for outreach, day in history.known_by.items():
        row = last.get(outreach)
        if told.is_over(day, history.now) and (row is None or not told.is_end(row.state)):
            yield Violation("known by its day", outreach, f"its sender was promised to know by {day} and does not")
        if row is not None and row.state == "not_sent" and row.at.date() < day:
            yield Violation("known by its day", outreach, f"it is told not sent on {row.at.date()}, before {day}")


def no_list_names_fewer_than_five(history: History, _: PolicyWindows) -> Iterator[Violation]:
    """Nobody is listed, or at least five are."""
    for pool, size in history.lists:
        if 0 < size < told.FEWEST:
            yield Violation("five or nobody", pool, f"a list has {size}")
