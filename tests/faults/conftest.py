"""The demo's own traffic, played on the session's stack while things break."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

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

    async def kill(self, part: str) -> None:
        """SIGKILL; the supervisor starts it again."""
        restarts = self.stack.part(part).restarts
        self.stack.kill(part)
        await until(lambda: self.stack.part(part).restarts > restarts, what=f"{part} is started again")

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

    async def until_more_arrive(self) -> None:
        """Wait until the relay takes mails again; the courier has more in hand at that moment."""
        folder = self.stack.home.mail
        before = len(list(folder.iterdir()))
        await until(lambda: len(list(folder.iterdir())) > before + 1, what="mails arrive again")

    async def until_all_ready(self) -> None:
        """Wait until every part answers again."""
        parts = ("signup", "consent", "pool_matching", "outreach_gateway", "courier", "redis")
        await until(lambda: all(map(self.stack.is_ready, parts)), what="every part is ready")

    async def history(self) -> History:
        """What happened to this traffic; other tests put strange things on the same topics by hand."""
        await self.world.mails.look()
        whole = history_of(self.world, await collect.read_topics(Kafka.plain(self.world.client.dev.kafka)))
        ours = self.world.sent.keys()
        candidates = {request.candidate for request in whole.requests if request.outreach in ours}
        return replace(
            whole,
            requests=[item for item in whole.requests if item.outreach in ours],
            decisions=[item for item in whole.decisions if item.outreach in ours],
            outcomes=[item for item in whole.outcomes if item.outreach in ours],
            consents=[item for item in whole.consents if item.candidate in candidates],
            versioned=[item for item in whole.versioned if item.subject in ours | candidates],
            unreadable=[],
        )

    async def promises_are_kept(self) -> History:
        """No violation, and nothing set aside as a dead letter."""
        history = await self.history()
        assert [str(violation) for violation in violations(history)] == []
        return history


Begin = Callable[[int], Awaitable[Traffic]]


@pytest.fixture
async def begin(scene: Scene) -> Begin:
    """So many new people join and pools fill; then it is the test's turn."""

    async def play(people: int) -> Traffic:
        run = f"{int(scene.now.timestamp()):x}"[-7:]
        world = World(
            scene.client, scene.stack.home.clock_file, run, invent(people, run=run), scene.mails, scene.topics
        )
        await joining.employers_define_pools(world, QUIET)
        await joining.vendors_report_people(world, QUIET)
        await joining.people_choose(world, QUIET, await joining.people_get_their_link(world, QUIET))
        await joining.pools_fill(world, QUIET)
        scene.canaries += world.canaries()
        return Traffic(world, scene.stack)

    return play
