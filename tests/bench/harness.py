"""What every bench has in common: rounds interleaved, the median and the spread of each figure, a table, a file.

Machines are shared and noisy: a figure is a ratio to something that was run in the same call. No test asserts on one.
"""

import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parents[2] / "bench"
ROUNDS = 5
Contender = Callable[[], float]
"""Runs once, checks its own results against what was sent, and says how much it did in a second."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured, beside what it is measured against."""

    what: str
    ours: float
    theirs: float | None
    unit: str
    ratio: float | None
    spread: float
    """Of `ratio` over the rounds, where there is one, else of `ours`: (highest - lowest) / median."""
    goal: str


def interleaved(contenders: Mapping[str, Contender], *, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """What each did in each round; every round runs all of them, so what else the machine does is the same for all."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, run in contenders.items():
            found[name].append(run())
            Console(stderr=True).print(f"round {number + 1} of {rounds}: {name} {found[name][-1]:,.0f}/s", style="dim")
    return found


def compared(what: str, ours: Sequence[float], theirs: Sequence[float], *, unit: str, goal: str) -> Figure:
    """Round by round: the median of the ratios is less noisy than the ratio of the medians."""
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return Figure(
        what,
        statistics.median(ours),
        statistics.median(theirs),
        unit,
        statistics.median(ratios),
        spread(ratios),
        goal,
    )


def alone(what: str, ours: Sequence[float], *, unit: str, goal: str) -> Figure:
    """A figure that is compared with nothing."""
    return Figure(what, statistics.median(ours), None, unit, None, spread(ours), goal)


def spread(values: Sequence[float]) -> float:
    """(highest - lowest) / median."""
    return (max(values) - min(values)) / (statistics.median(values) or 1.0)


def tell(name: str, figures: Sequence[Figure], *, rounds: int = ROUNDS) -> None:
    """A table for people, and `bench/NAME.json`."""
    table = Table("what", "ours", "theirs", "unit", "ratio", "spread", "goal", title=f"bench-{name}")
    for one in figures:
        theirs = "" if one.theirs is None else f"{one.theirs:,.1f}"
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        table.add_row(one.what, f"{one.ours:,.1f}", theirs, one.unit, ratio, f"{one.spread:.0%}", one.goal)
    Console().print(table)
    FOLDER.mkdir(exist_ok=True)
    told = {"name": name, "rounds": rounds, "figures": [asdict(one) for one in figures]}
    (FOLDER / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def say(line: str) -> None:
    """To whoever started this program, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
