"""When aiokafka 0.14 asks a broker for records, and how long it lets it hold that; the version is pinned for this file's sake too.

Importing this file mends it for every consumer of the process.
"""

import asyncio
from datetime import timedelta
from math import inf
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.protocol.fetch import FetchRequest

from shared.beats import beat_after
from shared.messaging.ends import EndsWatch
from shared.messaging.same_bytes import WrittenOnce

_NOT_FOR_ALL_MS = 100
"""How long a fetch may be held that does not ask for all that its broker has for us: another waits for it meanwhile."""
_NEVER_BUSY_MS = 1000
_LATELY = 2.0
"""Seconds after its last record that a reader counts as one that more will come for."""
_LOOKS_ANYWAY = timedelta(seconds=5)
"""After which a reader fetches though nobody said that there is more, and after which one that waits looks around."""


def _now() -> float:
    return asyncio.get_running_loop().time()


def _actions(self: fetcher.Fetcher, assignment: Any) -> Any:  # noqa: ANN401 - aiokafka has no types
    """A broker is asked one fetch at a time: whoever has a record for a partition that the one under way does not ask for waits
    until that one ends. So only a fetch for all of a broker's partitions is held for long, whose first record ends it, wherever
    it comes; one that leaves out a partition whose records are in hand, or that is the first to ask for the end of one, is not.
    On a broker that holds each fetch to its end (`FetchWait.busy`) none is made before there is something, and it is held for no time
    (`EndsWatch`); where nobody watches the ends, it is not held for long while records come.
    """
    requests, resets, pause, without_leader, resumed = _aiokafkas_actions(self, assignment)
    wait, known, now = self._fetch_max_wait_ms, vars(self), _now()
    ends: EndsWatch | None = getattr(wait, "ends", None)
    if self._records:
        known["came_at"] = now
    if ends is None:
        for node, request in requests:
            request._max_wait_ms = min(request._max_wait_ms, _held(self, assignment, node, request))
    else:
        requests, told = _wanted(self, assignment, requests, ends)
        resumed = [*resumed, *told]
    if not (self._records or resets or without_leader):
        # A fetch that ends, a partition that goes and what was waited for each end the pause: there is nothing to look for.
        pause = max(pause, beat_after(now, _LOOKS_ANYWAY) - now)
    return [(node, _as_before(known, node, one)) for node, one in requests], resets, pause, without_leader, resumed


class _Fetch(FetchRequest):  # type: ignore[misc]  # aiokafka has no types
    """A fetch that is written once, whose answer is taken apart where it is not the one before."""

    def __init__(self, like: Any, asked: object) -> None:  # noqa: ANN401 - aiokafka has no types
        self.__dict__.update(vars(like))
        self.asked = asked
        self._written: dict[Any, WrittenOnce] = {}

    def build(self, request_struct_class: Any) -> WrittenOnce:  # noqa: ANN401 - aiokafka has no types
        written = self._written.get(request_struct_class)
        if written is None:
            written = self._written[request_struct_class] = WrittenOnce(super().build(request_struct_class))
        return written


def _as_before(known: dict[str, Any], node: int, request: Any) -> Any:  # noqa: ANN401 - aiokafka has no types
    """The fetch before, where this one asks the same broker for the same: with nobody there, that is each of them."""
    made: dict[int, _Fetch] = known.setdefault("made", {})
    asked = request._max_wait_ms, {topic: frozenset(partitions) for topic, partitions in request.topics}
    before = made.get(node)
    if before is None or before.asked != asked:
        made[node] = before = _Fetch(request, asked)
    return before


def _held(self: fetcher.Fetcher, assignment: Any, node: int, request: Any) -> int:  # noqa: ANN401 - aiokafka has no types
    """Milliseconds, at most."""
    asked = {(topic, partition) for topic, partitions in request.topics for partition, *_ in partitions}
    all_of_it = [tp for tp in assignment.tps if self._select_read_replica(tp) == node]
    held = request._max_wait_ms
    if any((tp.topic, tp.partition) not in asked or assignment.state_value(tp).highwater is None for tp in all_of_it):
        held = min(held, _NOT_FOR_ALL_MS)
    if _now() - vars(self).get("came_at", -_LATELY) < _LATELY:
        held = min(held, getattr(self._fetch_max_wait_ms, "busy", _NEVER_BUSY_MS))
    return int(held)


def _wanted(self: fetcher.Fetcher, assignment: Any, requests: Any, ends: EndsWatch) -> tuple[list[Any], list[Any]]:  # noqa: ANN401 - aiokafka has no types
    """The requests that there is something for, or that have waited long enough, and what to wait for in place of the others."""
    known, now = vars(self), _now()
    fetched: dict[int, tuple[float, frozenset[Any]]] = known.setdefault("fetched", {})
    made, waits_for = [], {}
    for node, request in requests:
        at = {
            fetcher.TopicPartition(topic, number): offset
            for topic, partitions in request.topics
            for number, offset, *_ in partitions
        }
        more = frozenset(
            (tp, offset) for tp, offset in at.items() if _has_more(assignment.state_value(tp), offset, ends.end(tp))
        )
        again_at, before = fetched.get(node, (-inf, frozenset()))
        if more or now >= again_at:
            # Where the one before moved nothing, something is not as it was said: no hurry then.
            request._max_wait_ms = self._fetch_max_wait_ms.busy if more and more == before else 0
            fetched[node] = beat_after(now, _LOOKS_ANYWAY), more
            made.append((node, request))
        else:
            waits_for.update(at)
    return made, [ends.wait(self, waits_for)] if waits_for else []


def _has_more(state: Any, offset: int, end: int | None) -> bool:  # noqa: ANN401 - aiokafka has no types
    highwater = state.highwater
    return highwater is None or max(highwater, end or 0) > offset


_aiokafkas_actions = fetcher.Fetcher._get_actions_per_node
fetcher.Fetcher._get_actions_per_node = _actions
