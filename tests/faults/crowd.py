"""Waves of the demo's traffic on a stack with replicas, one history of all of it, and what breaks the stack meanwhile."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import asyncpg
import httpx
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from deploy.checks import collect
from deploy.checks.checker import violations
from deploy.checks.history import History
from deploy.demo import joining, writing
from deploy.demo.client import Client
from deploy.demo.people import invent
from deploy.demo.steps import Step
from deploy.demo.story import history_of
from deploy.demo.watching import watch
from deploy.demo.world import World, next_tuesday
from deploy.local.services import NAMES, process_of, url
from shared.messaging.kafka import Kafka
from tests.faults.balancer import Balancer, Replica
from tests.stack import Stack
from tests.waiting import until

QUIET = Step("", Console(quiet=True), None)
_BACK_WITHIN = timedelta(seconds=180)
_PROBE_SECONDS = 0.05

Break = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Crowd:
    """Everybody who ever joined the stack, and the replicas that serve them."""

    stack: Stack
    balancer: Balancer
    whole: World
    """All that was sent in all waves; it alone moves the clock."""
    _waves: Iterator[int] = field(default_factory=itertools.count)

    @property
    def parts(self) -> list[str]:
        """Every replica of the five processes."""
        return [part.name for part in self.stack.parts() if process_of(part.name) in NAMES]

    def wave(self, people: int) -> World:
        """New people, and pools of the same employers; what is sent counts for the whole."""
        now = self.whole.now
        if not now.replace(hour=18, minute=10) < now < now.replace(hour=21, minute=0):
            self.whole.move_clock(next_tuesday(now))
        run = f"w{next(self._waves)}"
        fresh = invent(people, run=run)
        self.whole.people += fresh
        return replace(self.whole, run=run, people=fresh, pools=[], members={})

    async def join(
        self, world: World, *, while_reported: Break | None = None, while_choosing: Break | None = None
    ) -> None:
        """The people of a wave are reported, get their links and choose; pools fill."""
        await joining.employers_define_pools(world, QUIET)
        async with asyncio.TaskGroup() as group:
            group.create_task(joining.people_come(world, QUIET))
            links = group.create_task(joining.people_get_their_link(world, QUIET))
            if while_reported:
                group.create_task(_awaited(while_reported))
        async with asyncio.TaskGroup() as group:
            group.create_task(joining.people_choose(world, QUIET, links.result()))
            if while_choosing:
                group.create_task(_awaited(while_choosing))
        await until(self._have_all_heard, within=_BACK_WITHIN, what="signup and matching have heard of every answer")
        await joining.pools_fill(world, QUIET)

    async def _have_all_heard(self) -> bool:
        """Whoever was killed leaves its partitions to others only after the session's time-out: quiet is not the end."""
        (answers,) = await self._counts("consent", "SELECT count(*) FROM consents WHERE version > 0")
        of_signup = await self._counts(
            "signup",
            "SELECT count(*) FILTER (WHERE consent_version > 0), count(*) FILTER (WHERE published IS NOT NULL) FROM candidates",
        )
        of_matching = await self._counts(
            "pool_matching",
            "SELECT count(*) FILTER (WHERE consent_version > 0), count(*) FILTER (WHERE profile IS NOT NULL) FROM persons",
        )
        return of_signup == of_matching and of_signup[0] == answers

    async def _counts(self, database: str, query: str) -> tuple[int, ...]:
        connection = await asyncpg.connect(self.stack.dev.postgres.rpartition("/")[0] + f"/{database}")
        try:
            return tuple((await connection.fetch(query))[0])
        finally:
            await connection.close()

    async def write(self, world: World, *breaks: Break) -> None:
        """Employers write to the wave's pools while things break; then all is decided and what is admitted has left."""
        async with asyncio.TaskGroup() as group:
            group.create_task(writing.employers_write(world, QUIET))
            for breaking in breaks:
                group.create_task(_awaited(breaking))
        await writing.gateway_decides(self.whole, QUIET)

    async def until_links(self, world: World, count: int) -> None:
        """Wait until so many people of a wave have their first mail."""
        addresses = {person.mail for person in world.people}
        await until(
            lambda: sum(mail.address in addresses for mail in self.whole.mails.mails) >= count, what=f"{count} links"
        )

    async def until_written(self, world: World, share: float) -> None:
        """Wait until this share of the wave's messages is taken."""
        before = len(self.whole.sent)
        wanted = before + share * sum(map(len, world.members.values())) * 0.9
        await until(lambda: len(self.whole.sent) >= wanted, what=f"{share:.0%} of the outreach is sent")

    async def until_admitted(self, more: int) -> None:
        """Wait until the gateways have admitted so many more; couriers take them in just now."""

        def admitted() -> int:
            return sum(decision.outcome == "admitted" for decision in self.whole.topics.first.values())

        before = admitted()
        await until(lambda: admitted() >= before + more, what=f"{more} more admitted")

    async def kill(self, part: str) -> None:
        """SIGKILL, and wait until the supervisor has started it again."""
        restarts = self.stack.part(part).restarts
        self.stack.kill(part)
        await until(lambda: self.stack.part(part).restarts > restarts, what=f"{part} is started again")

    async def until_ready(self, *parts: str) -> None:
        """Wait until these parts answer, or all that there are."""
        wanted = parts or tuple(part.name for part in self.stack.parts())
        await until(lambda: all(map(self.stack.is_ready, wanted)), within=_BACK_WITHIN, what="every part is ready")

    async def decided_by(self) -> dict[str, float]:
        """How many decisions each running gateway has committed since it started, as it says at `/metrics`."""
        found = {}
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            for part in self.stack.parts():
                if process_of(part.name) == "outreach_gateway":
                    with suppress(httpx.TransportError):
                        found[part.name] = _decisions((await http.get(f"{url(part.port)}/metrics")).text)
        return found

    @asynccontextmanager
    async def steady_requests(self) -> AsyncIterator[None]:
        """Meanwhile each edge is asked something twenty times a second, whatever the traffic does."""
        asking = asyncio.create_task(self._ask_again_and_again())
        try:
            yield
            assert not asking.done(), "the requests went on to the end"
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking

    async def _ask_again_and_again(self) -> None:
        client = self.whole.client
        services, key = client.dev.services, client.dev.employers[0].key
        while True:
            await client.ask("GET", f"{services.signup}/join")
            await client.ask("GET", f"{services.consent}/u/no-token", expect=range(400, 500))
            await client.ask("GET", f"{services.pool_matching}/v1/pools", key=key)
            await client.ask("GET", f"{services.outreach_gateway}/v1/outreach", key=key)
            await asyncio.sleep(_PROBE_SECONDS)

    async def promises_are_kept(self) -> History:
        """No violation in all that ever happened here, no dead letter, and one first mail for each person."""
        history = history_of(self.whole, await collect.read_topics(Kafka.plain(self.whole.client.dev.kafka)))
        await self.whole.mails.look()  # after the topics: no outcome is read before its mail
        history = replace(history, mails=self.whole.arrived(), now=self.whole.now)
        assert not (found := [str(violation) for violation in violations(history)]), "\n".join(found)
        assert self.whole.repeats_that_differ == []
        first = [mail.address for mail in self.whole.mails.mails if joining.is_invitation(mail.subject)]
        assert sorted(first) == sorted(person.mail for person in self.whole.people)
        return history


@asynccontextmanager
async def gather_crowd(stack: Stack) -> AsyncIterator[Crowd]:
    """A client behind a balancer, watches, and nobody in it yet."""
    async with httpx.AsyncClient(
        transport=(balancer := Balancer(_replicas(stack))), timeout=30, trust_env=False
    ) as http:
        client = Client(stack.dev, http)
        async with balancer.looking(), watch(client) as (mails, topics):
            yield Crowd(stack, balancer, World(client, stack.home.clock_file, "", [], mails, topics))


def _replicas(stack: Stack) -> dict[int, list[Replica]]:
    first = {part.name: part.port for part in stack.parts()}
    found: dict[int, list[Replica]] = {}
    for part in stack.parts():
        if process_of(part.name) in NAMES:
            found.setdefault(first[process_of(part.name)], []).append(Replica(part.name, part.port))
    return found


def _decisions(text: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "fairpool_decisions_total" and sample.labels["outcome"] != "hold"
    )


async def _awaited(breaking: Break) -> None:
    await breaking()
