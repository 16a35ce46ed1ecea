"""Which function of a service handles which kind of event: declared one by one, made into one consumer group a topic."""

import enum
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, TypeVarTuple, cast

from shared.contracts.base import Event
from shared.contracts.topics import Topic
from shared.messaging.consumer import Handler, HandleRemoved, Subscription
from shared.messaging.envelope import Received
from shared.messaging.unit import Unit

E = TypeVar("E", bound=Event)
S = TypeVar("S")
Ts = TypeVarTuple("Ts")

MAX_RECORDS = 500


class Guard(enum.Enum):
    """What makes a second delivery of the same event harmless."""

    INBOX = "inbox"
    """The event's id, noted in the transaction of its effect."""
    VERSION = "version"
    """Every effect is guarded by a version of its own, which only rises."""
    STATE = "state"
    """The row that it is about says whether it was done."""


@dataclass(slots=True)
class Group:
    """A consumer group in the making."""

    name: str
    guard: Guard | None = None
    max_records: int = MAX_RECORDS
    lanes: int = 1
    topics: dict[Topic, None] = field(default_factory=dict)
    handlers: list[tuple[tuple[type[Event], ...], Handler]] = field(default_factory=list)
    ignores: list[type[Event]] = field(default_factory=list)
    removed: dict[Topic, HandleRemoved] = field(default_factory=dict)

    def subscription(self) -> Subscription:
        """The group as it is consumed: within a batch each handler gets its kinds in their order, one handler after the other."""
        return Subscription(
            self.name,
            tuple(self.topics),
            _each(self.handlers),
            takes=tuple(kind for kinds, _ in self.handlers for kind in kinds),
            ignores=tuple(self.ignores),
            deduplicate=self.guard is Guard.INBOX,
            max_records=self.max_records,
            lanes=self.lanes,
            handle_removed=dict(self.removed),
        )


class Wiring:
    """What a service hears, and who in it acts on it."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._groups: dict[str, Group] = {}

    def on(
        self,
        kinds: tuple[type[E], ...],
        handle: Callable[[S, Sequence[Received[E]], *Ts], Awaitable[None]],
        store: Callable[[Unit], S],
        *given: *Ts,
        guard: Guard,
        group: str | None,
        max_records: int,
        lanes: int = 1,
    ) -> None:
        """`handle(store(unit), received, *given)` for each batch that has events of these kinds; ValueError for what can't be meant."""

        async def call(unit: Unit, received: Sequence[Received[Event]]) -> None:
            own = [cast("Received[E]", item) for item in received if isinstance(item.event, kinds)]
            await handle(store(unit), own, *given)

        topics = tuple(dict.fromkeys(kind.TOPIC for kind in kinds))
        if group is None and len(topics) > 1:
            raise ValueError(f"name the group: {', '.join(kind.__name__ for kind in kinds)} come by several topics")
        made = self._group(group or topics[0].name)
        if made.guard not in (None, guard):
            raise ValueError(f"the guard of {made.name} is {made.guard}, and can't be {guard} for some of its events")
        if taken := {kind for others, _ in made.handlers for kind in others} & set(kinds):
            raise ValueError(f"{made.name} has a handler of {', '.join(sorted(kind.__name__ for kind in taken))}")
        made.guard = guard
        made.max_records = min(made.max_records, max_records)
        made.lanes = min(made.lanes, lanes) if made.handlers else lanes  # as many as each of them is for
        made.topics.update(dict.fromkeys(topics))
        made.handlers.append((kinds, call))

    def on_removed(
        self, topic: Topic, handle: Callable[[S, Sequence[str]], Awaitable[None]], store: Callable[[Unit], S]
    ) -> None:
        """`handle(store(unit), keys)` for the keys that the owner of a compacted topic took away."""

        async def call(unit: Unit, keys: Sequence[str]) -> None:
            await handle(store(unit), keys)

        self._group(topic.name).removed[topic] = call

    def ignores(self, *kinds: type[Event]) -> None:
        """Kinds that are known to be of no use here; any other that is not taken is set aside as `unknown_type`."""
        for kind in kinds:
            self._group(kind.TOPIC.name).ignores.append(kind)

    def subscriptions(self) -> list[Subscription]:
        """The consumer groups, in the order in which they were first named."""
        return [group.subscription() for group in self._groups.values()]

    def _group(self, name: str) -> Group:
        return self._groups.setdefault(name, Group(f"{self._service}.{name}"))


def _each(handlers: Sequence[tuple[tuple[type[Event], ...], Handler]]) -> Handler:
    async def handle(unit: Unit, received: Sequence[Received[Event]]) -> None:
        for kinds, call in handlers:
            if any(isinstance(item.event, kinds) for item in received):
                await call(unit, received)

    return handle
