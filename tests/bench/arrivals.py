"""The arrivals attack: two employers with equal pools lay side by side when whom they were told of, and what is shown of them.

People come one by one, as they please. Both lists are cut into what was told on one day; where only one person is in a part of
the one and in a part of the other, they are the same, whatever they are called. Beside what `at_tick` and `Ticks` do stands what
one would do first: everybody told at once, and each employer told of the state at its own hour, on a weekday of its own.
"""

import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.pool_matching.listing import Changes, Closes, Fit, Listed, Opens, at_tick
from services.pool_matching.model import Shown
from shared.ticks import DAY, Ticks
from tests.bench.harness import say

START = datetime(2026, 11, 2, tzinfo=UTC)
DAYS, BEFORE = 56, 8
"""How long it is watched, and how many are there from the beginning."""
KINDS = [Shown(state="CO", years=years) for years in (1, 5, 10)]
Told = Mapping[str, tuple[object, Shown]]
"""Of each person when they were told of, and what was shown of them in the end."""
Teller = Callable[[Mapping[str, datetime], Mapping[str, Shown], str], Told]


@dataclass(frozen=True, slots=True)
class Linked:
    """What laying two lists side by side gives, of those who came while it was watched."""

    people: int
    for_certain: int
    by_guess: float

    def __add__(self, other: "Linked") -> "Linked":
        """Of two runs together."""
        return Linked(self.people + other.people, self.for_certain + other.for_certain, self.by_guess + other.by_guess)

    @property
    def certain(self) -> float:
        """The share of those who are found for certain."""
        return self.for_certain / max(self.people, 1)

    @property
    def guess(self) -> float:
        """And by the best guess."""
        return self.by_guess / max(self.people, 1)


def arrivals(rate: float, seed: int) -> tuple[dict[str, datetime], dict[str, Shown]]:
    """Who comes when, so many a day on average, and what there is to show of them."""
    lot = random.Random(seed)  # noqa: S311 (people to attack, no secret)
    came = {f"b{number}": START - DAY for number in range(BEFORE)}
    at = START
    while (at := at + timedelta(days=lot.expovariate(rate))) < START + DAYS * DAY:
        came[f"n{len(came):04}"] = at
    return came, {who: lot.choice(KINDS) for who in came}


def told(
    came: Mapping[str, datetime],
    shown: Mapping[str, Shown],
    employer: str,
    *,
    moment: Callable[[Ticks, datetime], datetime] = Ticks.as_of,
    week_of: Callable[[str], bytes] = lambda _: b"one for all",
) -> Told:
    """As it is: at the employer's ticks, by what `at_tick` says."""
    ticks, weeks = Ticks(b"k" * 32), Ticks(week_of(employer))
    listed: dict[str, Listed] = {}
    is_open = closed_before = False
    tick = ticks.first(employer, START)
    while tick < START + (DAYS + 7) * DAY:
        fits = {
            who: Fit(f"m_{employer}_{who}", shown[who], counts=True)
            for who, at in came.items()
            if at <= moment(ticks, tick)
        }
        outcome = at_tick(
            listed,
            fits,
            is_open=is_open,
            is_weekly=weeks.is_weekly(tick),
            today=tick.date(),
            closed_before=closed_before,
        )
        match outcome:
            case Opens(rows):
                listed, is_open = dict(rows), True
            case Closes():
                listed, is_open, closed_before = {}, False, True
            case Changes(joined, _, changed):
                listed |= {**changed, **joined}
            case _:
                listed |= outcome.blurred
        tick += ticks.period
    return {who: (one.since, one.row) for who, one in listed.items()}


def at_once(came: Mapping[str, datetime], shown: Mapping[str, Shown], _: str) -> Told:
    """Everybody in the hour in which they come."""
    return {who: (at.replace(minute=0, second=0), shown[who]) for who, at in came.items()}


def at_its_own(came: Mapping[str, datetime], shown: Mapping[str, Shown], employer: str) -> Told:
    """Of the state at its own hour, and on a weekday of its own."""
    return told(came, shown, employer, moment=lambda _, tick: tick, week_of=str.encode)


def attack(teller: Teller, rate: float, *, seeds: int, with_rows: bool) -> Linked:
    """Of what two employers are told, side by side."""
    found = Linked(0, 0, 0)
    for seed in range(seeds):
        came, shown = arrivals(rate, seed)
        one, other = (teller(came, shown, f"emp_{name}{seed}") for name in "ab")
        both = Counter(
            (one[who], other[who]) if with_rows else (one[who][0], other[who][0])
            for who in one.keys() & other.keys()
            if who.startswith("n")
        )
        found += Linked(both.total(), sum(count == 1 for count in both.values()), len(both))
    return found


TELLERS: Mapping[str, Teller] = {"at once": at_once, "at its own hour and weekday": at_its_own, "as it is": told}


def main(seeds: int) -> None:
    """Prints the table."""
    say(f"{DAYS} days, {seeds} runs each; linked for certain / by the best guess")
    for rate in (0.1, 0.3, 1, 3, 9):
        for with_rows in (False, True):
            figures = {name: attack(teller, rate, seeds=seeds, with_rows=with_rows) for name, teller in TELLERS.items()}
            said = "; ".join(f"{name} {one.certain:.0%} / {one.guess:.0%}" for name, one in figures.items())
            say(f"{rate:>4} come a day, by days{' and rows' if with_rows else '':9}: {said}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
