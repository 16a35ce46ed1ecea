"""The demo's own traffic, played on the session's stack while things break."""

import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum

import asyncpg
import pytest
from rich.console import Console

from deploy.checks import collect
from deploy.checks.checker import violations
from deploy.checks.history import History
from deploy.demo import joining
from deploy.demo.people import invent
from deploy.demo.steps import Step
from deploy.demo.story import history_of
from deploy.demo.world import World
from deploy.local.devfile import DevFile
from shared.messaging.kafka import Kafka
from tests.e2e.scene import Scene
from tests.stack import Stack
from tests.waiting import until

QUIET = Step("", Console(quiet=True), None)


@dataclass(frozen=True, slots=True)
class Traffic:
    """People who have joined, employers who are about to write, and the stack to break."""

    world: World
    stack: Stack
    unreadable_before: frozenset[str]
    """What other tests put on the same topics by hand, and what became of it."""

    async def kill(self, part: str) -> None:
        """SIGKILL; the supervisor starts it again."""
        await kill(self.stack, part)

    async def kill_at_work(self, part: str, work: "Work") -> None:
        """SIGKILL while messages of this traffic are in hand."""
        await self.freeze_at_work(part, work)
        await self.kill(part)

    async def kill_as_it_writes(self, part: str, writing: "Writing") -> None:
        """SIGKILL in the middle of a transaction, which waits for this table until the process is gone."""
        async with held_up(self.world.client.dev, writing) as until_it_writes:
            await until_it_writes()
            await self.kill(part)

    async def freeze_at_work(self, part: str, work: "Work") -> None:
        """SIGSTOP at a moment at which messages of this traffic are in hand, which they are until it goes on."""
        database, query = work.value

        async with connected(self.world.client.dev, database) as connection:

            async def is_caught() -> bool:
                self.stack.kill(part, signal.SIGSTOP)
                if await connection.fetchval(query, list(self.world.sent), self.world.now):
                    return True
                self.stack.kill(part, signal.SIGCONT)
                return False

            await until(is_caught, what=f"{part} has work in hand: {work.name}")

    async def until_sent(self, share: float) -> None:
        """Wait until this share of the members has been written to."""
        wanted = share * sum(map(len, self.world.members.values()))
        await until(lambda: len(self.world.sent) >= wanted, what=f"{share:.0%} of the outreach is sent")

    async def until_admitted(self, count: int) -> None:
        """Wait until the gateway has admitted so many; the courier is taking them in just now."""
        topics, sent = self.world.topics, self.world.sent
        await until(
            lambda: sum(topics.first[it].outcome == "admitted" for it in sent if it in topics.first) >= count,
            what=f"{count} admitted",
        )

    async def until_all_ready(self) -> None:
        """Wait until every part answers again."""
        parts = ("signup", "consent", "pool_matching", "outreach_gateway", "courier", "redis")
        await until(lambda: all(map(self.stack.is_ready, parts)), what="every part is ready")

    async def history(self) -> History:
        """What happened to this traffic; other tests put strange things on the same topics by hand."""
        records = await collect.read_topics(Kafka.plain(self.world.client.dev.kafka))
        await self.world.mails.look()  # after the topics: no outcome is read before its mail
        whole = history_of(self.world, records)
        ours = self.world.sent.keys()
        candidates = {request.candidate for request in whole.requests if request.outreach in ours}
        return replace(
            whole,
            requests=[item for item in whole.requests if item.outreach in ours],
            decisions=[item for item in whole.decisions if item.outreach in ours],
            outcomes=[item for item in whole.outcomes if item.outreach in ours],
            consents=[item for item in whole.consents if item.candidate in candidates],
            versioned=[item for item in whole.versioned if item.subject in ours | candidates],
            unreadable=[place for place in whole.unreadable if place not in self.unreadable_before],
        )

    async def promises_are_kept(self) -> History:
        """No violation, and nothing set aside as a dead letter, in traffic that was real."""
        history = await self.history()
        assert [str(violation) for violation in violations(history)] == []
        assert {request.outreach for request in history.requests} == self.world.sent.keys()
        assert history.decisions
        assert history.mails, Counter((one.outcome, one.rule) for one in history.decisions)
        return history

    async def unreadable(self) -> frozenset[str]:
        """The places of all that no reader understands, or set aside."""
        records = await collect.read_topics(Kafka.plain(self.world.client.dev.kafka))
        return frozenset(collect.events(records)[1])


@dataclass(frozen=True, slots=True)
class Writing:
    """A statement that a kill is to hit."""

    database: str
    table: str
    statement: str
    """Words of it that no other has."""


async def kill(stack: Stack, part: str) -> None:
    """SIGKILL; the supervisor starts it again."""
    restarts = stack.part(part).restarts
    stack.kill(part)
    await until(lambda: stack.part(part).restarts > restarts, what=f"{part} is started again")


@asynccontextmanager
async def held_up(dev: DevFile, writing: Writing) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """Whoever is about to write this waits until the block ends; what is given waits until somebody does."""
    async with (
        connected(dev, writing.database) as held,
        connected(dev, writing.database) as looking,
        held.transaction(),
    ):
        await held.execute(f"LOCK TABLE {writing.table} IN SHARE MODE")
        yield lambda: until(
            lambda: looking.fetchval(_HELD_UP, writing.table, writing.statement),
            what=f"somebody writes {writing.table}",
        )


@asynccontextmanager
async def connected(dev: DevFile, database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own to this database of the stack."""
    connection = await asyncpg.connect(dev.postgres.rpartition("/")[0] + f"/{database}")
    try:
        yield connection
    finally:
        await connection.close()


DECIDES = Writing("outreach_gateway", "outreach", "UPDATE outreach o\nSET state")
TAKES_IN = Writing("signup", "courier_mails", "INSERT INTO courier_mails")
TAKES_IN_AGAIN = Writing("signup", "courier_mails", "UPDATE courier_mails AS known")
"""What it has a row of since it was delayed."""

_HELD_UP = """
    SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE NOT granted AND relation = $1::text::regclass AND strpos(query, $2) > 0
"""


class Work(Enum):
    """What a kill is to hit: the database that tells of it, and how many of these messages are there at this time."""

    SUBMITTED = (
        "outreach_gateway",
        "SELECT count(*) FROM outreach WHERE id = ANY($1) AND state = 'submitted' AND submitted_at <= $2",
    )
    ON_THE_WAY = (
        "signup",
        "SELECT count(*) FROM courier_mails WHERE id = ANY($1) AND state = 'sending' AND good_until > $2",
    )


async def _gateway_knows_keys(scene: Scene, others: frozenset[str]) -> bool:
    """A gateway that the test before has killed first waits for its partitions; what is written before is for nobody."""
    found = [
        candidate for candidate, known in scene.topics.membership.items() if known.pools and candidate not in others
    ]
    missing = "SELECT id FROM unnest($1::text[]) AS id WHERE id NOT IN (SELECT candidate::text FROM candidate_keys)"
    return not await scene.rows("outreach_gateway", missing, found)


Begin = Callable[[int], Awaitable[Traffic]]


@pytest.fixture
async def begin(scene: Scene) -> Begin:
    """So many new people join and pools fill; then it is the test's turn."""

    async def play(people: int) -> Traffic:
        run, others = f"{int(scene.now.timestamp()):x}"[-7:], frozenset(scene.topics.membership)
        world = World(
            scene.client, scene.stack.home.clock_file, run, invent(people, run=run), scene.mails, scene.topics
        )
        await joining.employers_define_pools(world, QUIET)
        await joining.people_come(world, QUIET)
        await joining.people_choose(world, QUIET, await joining.people_get_their_link(world, QUIET))
        await joining.pools_fill(world, QUIET)
        await until(
            lambda: _gateway_knows_keys(scene, others), what="the gateway has the key of whoever came into a pool"
        )
        scene.canaries += world.canaries()
        before = await Traffic(world, scene.stack, frozenset()).unreadable()
        return Traffic(world, scene.stack, before)

    return play
