"""How long it takes from a person's click until it holds: what was there at the click, and when a topic first told that it is gone.

The seconds begin before the request leaves and end when this process has read the record, so they are rather too many than too few.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from deploy.demo.watching import TopicWatch

OUT_OF_POOLS = "withdrawn: out of all pools"
CANCELLED = "withdrawn: what was held is cancelled"
REFUSED = "withdrawn: the courier refuses"
"""What it reads to the end of before each email says no."""
DARK = "erased: dark in every service"
"""Each has confirmed it, and there is no pool, no grant and nothing held any more."""


@dataclass(frozen=True, slots=True)
class Click:
    """Somebody stopped everything at this moment (monotonic, in seconds), with these messages waiting for them."""

    candidate: str
    at: float
    was_in_pools: bool
    held: frozenset[str]

    @classmethod
    def of(cls, candidate: str, topics: TopicWatch, at: float) -> "Click":
        """What there is of them just now."""
        pools = topics.membership.get(candidate)
        held = frozenset(
            outreach
            for outreach, decision in topics.decided.items()
            if decision.candidate == candidate and decision.outcome == "delayed"
        )
        return cls(candidate, at, pools is not None and bool(pools.pools), held)

    def effects(self, topics: TopicWatch) -> Mapping[str, float | None]:
        """Seconds to each effect that there was anything of; None: not yet."""
        found: dict[str, float | None] = {REFUSED: self._since(topics.stopped.get(self.candidate))}
        if self.was_in_pools:
            found[OUT_OF_POOLS] = self._since(topics.left.get(self.candidate))
        held = [outreach for outreach in self.held if topics.decided[outreach].outcome != "admitted"]  # it was its turn
        if held:
            ended = [topics.ended.get(outreach) for outreach in held]
            found[CANCELLED] = self._since(None if None in ended else max(one for one in ended if one is not None))
        return found

    def holds(self, topics: TopicWatch) -> bool:
        """Whether all of it has come about."""
        return None not in self.effects(topics).values()

    def _since(self, moment: float | None) -> float | None:
        return None if moment is None else max(0.0, moment - self.at)


@dataclass(frozen=True, slots=True)
class Erased:
    """Somebody who erased themself, and after how many seconds they were dark."""

    address: str = field(repr=False)
    dark_after: float
    emails: int
    """So many had come by then; there are never more."""
    link_opens: bool = field(kw_only=True)
    """Whether the link of their invitation opened a page once they were dark."""


def spread(clicks: Iterable[Click], erased: Iterable[Erased], topics: TopicWatch) -> dict[str, Sequence[float]]:
    """Seconds by effect, each in rising order."""
    found: dict[str, list[float]] = {OUT_OF_POOLS: [], CANCELLED: [], REFUSED: [], DARK: []}
    for click in clicks:
        for effect, seconds in click.effects(topics).items():
            if seconds is not None:
                found[effect].append(seconds)
    found[DARK] += [one.dark_after for one in erased]
    return {effect: sorted(seconds) for effect, seconds in found.items()}


def within(seconds: Sequence[float], share: float) -> float:
    """In how many seconds this share of them came about, the last of them included; 0 for none."""
    return sorted(seconds)[max(0, ceil(share * len(seconds)) - 1)] if seconds else 0.0
