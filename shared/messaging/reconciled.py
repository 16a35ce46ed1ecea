"""What an owner says of a compacted topic that is to show what its rows say."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shared.contracts.base import State
from shared.contracts.topics import Topic
from shared.messaging.unit import Unit


@dataclass(frozen=True, slots=True)
class Behind:
    """How an owner's rows are asked what a topic lacks, and what it has that they don't, a page at a time."""

    keys: Callable[[Unit, str, int], Awaitable[Sequence[str]]]
    """The keys of the next rows after a key (none: ''), at most so many, in the rows' own order; every row has its turn."""
    states: Callable[[Unit], Awaitable[Sequence[State]]]
    """Of the page in the temporary table `read_back` (`key`; `id`, the key as uuid where it is one; `version`, 0 where the
    topic shows none, below 0 where it has an old key or form), those whose rows have a higher version. Their rows stay locked until the unit is over."""
    ahead: Callable[[Unit], Awaitable[int]]
    """Of `read_back`, here a page of the topic's keys: how many have a version that is higher than their row's (`highest`, whether
    or not it comes last: readers have it), or no row though nothing says that it is gone. Rows only rise, so none are, unless rows were lost or somebody else writes."""


Orphaned = Callable[[Unit], Awaitable[Sequence[str]]]
"""The keys in `read_back`, here a page of the topic's keys, that have a version other than 0 and no row any more."""

ApplyReadBack = Callable[[Unit, int], Awaitable[int]]
"""Does to rows what `read_back` says, here a page of the topic's keys; never more than so many. How many it was."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A compacted topic, and what a service's rows have to do with it."""

    topic: Topic
    behind: Behind | None = None
    """None where the topic is another service's own, and is only read."""
    orphaned: Orphaned | None = None
    """None where rows never go."""
    apply: ApplyReadBack | None = None
