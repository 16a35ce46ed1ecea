"""What a service hears, does and offers, as its `app.py` declares it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar, TypeVarTuple

from shared.contracts.base import Event
from shared.contracts.topics import Topic
from shared.feed.feed import Feed
from shared.messaging.consumer import Subscription
from shared.messaging.envelope import Received
from shared.messaging.follower import Apply, Follower
from shared.messaging.reconciled import Behind, Orphaned, Reconciled
from shared.messaging.unit import Unit
from shared.roles import Role
from shared.runner.model import Again
from shared.runner.model import Job as Work
from shared.service.parts import Check, Job, Parts, Resource, Stored
from shared.service.wiring import MAX_RECORDS, Guard
from shared.settings import ServiceSettings

E = TypeVar("E", bound=Event)
S = TypeVar("S")
Ts = TypeVarTuple("Ts")


class Declaring:
    """The declarations; `Service` runs them."""

    __slots__ = ()

    name: str
    settings: ServiceSettings
    parts: Parts

    def on(
        self,
        kinds: type[E] | tuple[type[E], ...],
        handle: Callable[[S, Sequence[Received[E]], *Ts], Awaitable[None]],
        store: Callable[[Unit], S],
        *given: *Ts,
        guard: Guard = Guard.INBOX,
        group: str | None = None,
        max_records: int = MAX_RECORDS,
        lanes: int = 1,
    ) -> None:
        """`handle(store(unit), received, *given)` for the events of these kinds in a batch, in one transaction.

        A topic is read by one group, named after it, unless `group` says otherwise; each kind of event that belongs there is
        taken or ignored, and whatever is neither is set aside as `unknown_type`.
        """
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        self.parts.wiring.on(
            kinds, handle, store, *given, guard=guard, group=group, max_records=max_records, lanes=lanes
        )

    def on_removed(
        self, topic: Topic, handle: Callable[[S, Sequence[str]], Awaitable[None]], store: Callable[[Unit], S]
    ) -> None:
        """`handle(store(unit), keys)` for the keys that the owner of a compacted topic took away."""
        self.parts.wiring.on_removed(topic, handle, store)

    def ignores(self, *kinds: type[Event]) -> None:
        """Kinds on its topics that are known to be of no use here."""
        self.parts.wiring.ignores(*kinds)

    def follow(self, topic: Topic, apply: Apply, *, stored: Stored | None = None) -> Follower:
        """A projection that must be current: the service is ready once it has reached the topic's end."""
        follower = Follower(self.settings.cluster, topic, apply, client_id=f"fairpool-{self.name}")
        self.parts.followers.append((follower, stored))
        return follower

    def reconcile(self, topic: Topic, behind: Behind, orphaned: Orphaned | None = None) -> None:
        """A compacted topic of this service's own, that is to show what the rows say, whatever happened to Kafka."""
        self.parts.reconciled.append(Reconciled(topic, behind, orphaned))

    def read_back(
        self,
        topic: Topic,
        apply: Callable[[S, int, *Ts], Awaitable[int]],
        store: Callable[[Unit], S],
        *given: *Ts,
        behind: Behind | None = None,
    ) -> None:
        """A topic that rows from a backup are held against: `apply(store(unit), at_most, *given)`, page by page.

        Once an hour, and all of it before a database that was restored is opened. With `behind` the topic is this service's
        own, and reconciled too.
        """
        self.replay(topic, apply, store, *given)
        (call,) = (one.apply for one in self.parts.replayed if one.topic is topic)
        self.parts.reconciled.append(Reconciled(topic, behind, apply=call))

    def replay(
        self, topic: Topic, apply: Callable[[S, int, *Ts], Awaitable[int]], store: Callable[[Unit], S], *given: *Ts
    ) -> None:
        """As `read_back`, only before a database that was restored is opened."""

        async def call(unit: Unit, at_most: int) -> int:
            return await apply(store(unit), at_most, *given)

        self.parts.replayed.append(Reconciled(topic, apply=call))

    def every(
        self,
        period: timedelta,
        name: str,
        run: Callable[[*Ts], Awaitable[object]],
        *given: *Ts,
        by: Role | None = Role.WORKER,
    ) -> None:
        """`run(*given)` again and again, by the workers; a transient error is retried at the next turn.

        With `by=None` in each process, for what it needs for itself. What is to be done once for all of them is `queue` or
        `periodic`.
        """
        self.parts.every(period, name, run, *given, by=by)

    def queue(
        self,
        name: str,
        handle: Callable[[S, Sequence[Work], *Ts], Awaitable[Again | None]],
        store: Callable[[Unit], S],
        *given: *Ts,
        batch: int = 100,
        lanes: tuple[int, ...] = (0,),
    ) -> None:
        """`handle(store(unit), work, *given)` for what units scheduled under this name, in the transaction that finishes it.

        By any process, some at a time; the lowest of its lanes first. What it answers comes again at that time.
        """
        self.parts.queue(name, handle, store, *given, batch=batch, lanes=lanes)

    def periodic(
        self,
        period: timedelta,
        name: str,
        step: Callable[[S, *Ts], Awaitable[bool]],
        store: Callable[[Unit], S],
        *given: *Ts,
        is_hurried: bool = False,
    ) -> None:
        """`step(store(unit), *given)` again and again, by one process at a time; at once while it answers that there is more.

        Its row is locked while it is done: where units schedule its turn too, they say so here, and wait for none.
        """
        self.parts.periodic(period, name, step, store, *given, is_hurried=is_hurried)

    def job(self, name: str, run: Job, *, by: Role | None = Role.WORKER) -> None:
        """Something that runs as long as the process does; it ends only by being cancelled."""
        self.parts.job(name, run, by=by)

    def open(self, resource: Resource, *, by: Role | None = None) -> None:
        """A resource opened after the database and closed before it (Redis, an SMTP pool)."""
        if self.parts.has(by):
            self.parts.resources.append(resource)

    def feed(self, feed: Feed) -> None:
        """A feed of this service's database: workers number its rows and drop the oldest, edges know the newest."""
        self.parts.feed(feed)

    def hears(self, name: str, wake: Callable[[], None]) -> None:
        """`wake()` when another process on this database has told the name; a notice may be lost, so nothing depends on one."""
        self.parts.notices.on(name, wake)

    def teller(self, name: str) -> Callable[[], None]:
        """Tells the name to the other processes that hear it; to be called once what it is about is committed."""
        return partial(self.parts.notices.tell, [name])

    def check(self, name: str, check: Check, *, by: Role | None = Role.WORKER) -> None:
        """One more thing that readiness really does."""
        if self.parts.has(by):
            self.parts.checks[name] = check

    @property
    def subscriptions(self) -> list[Subscription]:
        """Its consumer groups."""
        return self.parts.wiring.subscriptions()
