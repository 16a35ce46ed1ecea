"""Keeps an eye on a running stack: the mail catcher, and the topics that tell how far everything is."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any

import httpx

from deploy.checks.collect import CaughtMail, list_mails
from deploy.demo.client import Client
from deploy.local.endpoints import reach
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChanged
from shared.contracts.outreach_gateway import OutreachDecidedV1, OutreachRequestedV1
from shared.contracts.pool_matching import MembershipsChangedV1
from shared.contracts.signup import OutreachOutcomeReportedV1
from shared.contracts.topics import CONSENT_STATE, MEMBERSHIPS, OUTREACH_DECISIONS, OUTREACH_OUTCOMES, OUTREACH_REQUESTS
from shared.messaging.envelope import Received
from shared.messaging.follower import Follower, Positions

_LOOK_SECONDS = 0.1
_REFERENCE = re.compile(r"\(ref ([0-9A-Z]{12})\)")
_ENDS = frozenset({"cancelled", "dropped"})
_FOLLOWED = (OUTREACH_REQUESTS, OUTREACH_DECISIONS, OUTREACH_OUTCOMES, CONSENT_STATE, MEMBERSHIPS)


class TooSlowError(Exception):
    """Something that should have happened did not in time."""


@dataclass(slots=True)
class MailWatch:
    """The mails of the catcher as they come."""

    client: Client
    mails: list[CaughtMail] = field(default_factory=list)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Look for new mails until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Take in what has arrived by now."""
        async with self._looking:
            try:
                self.mails += await self._new()
            except httpx.RemoteProtocolError:  # the catcher has just closed a connection that nobody used for a while
                self.mails += await self._new()

    async def _new(self) -> list[CaughtMail]:
        return await list_mails(self.client.http, self.client.dev.mail, known=len(self.mails))

    def to(self, address: str) -> list[CaughtMail]:
        """What one person got."""
        return [mail for mail in self.mails if mail.address == address]

    def count_to(self, address: str) -> int:
        """How many one person got."""
        return len(self.to(address))

    def references(self) -> dict[str, CaughtMail]:
        """The first mail that carries each reference of ours in its subject."""
        found: dict[str, CaughtMail] = {}
        for mail in self.mails:
            if (reference := reference_in(mail.subject)) is not None:
                found.setdefault(reference, mail)
        return found


@dataclass(slots=True)
class TopicWatch:
    """What the topics say of outreach, consent and membership so far: the highest version of each."""

    first: dict[str, OutreachDecidedV1] = field(default_factory=dict)
    decided: dict[str, OutreachDecidedV1] = field(default_factory=dict)
    outcome: dict[str, OutreachOutcomeReportedV1] = field(default_factory=dict)
    candidate: dict[str, str] = field(default_factory=dict)
    consent: dict[str, ConsentChanged] = field(default_factory=dict)
    first_yes: dict[str, ConsentChanged] = field(default_factory=dict)
    """The first state of each person in which employers may write to them."""
    membership: dict[str, MembershipsChangedV1] = field(default_factory=dict)
    stopped: dict[str, float] = field(default_factory=dict)
    """When this process read (monotonic, in seconds) that a person allows no contact any more; so the next two."""
    left: dict[str, float] = field(default_factory=dict)
    """That a person is in no pool any more."""
    ended: dict[str, float] = field(default_factory=dict)
    """That an outreach is cancelled, or dropped."""

    async def apply(self, received: Sequence[Received[Event]], _: Positions) -> None:
        """Take in what was fetched."""
        for item in received:
            self._note(item.event)

    def _note(self, event: Event) -> None:
        match event:
            case OutreachRequestedV1():
                self.candidate[event.outreach] = event.candidate
            case OutreachDecidedV1():
                self.first.setdefault(event.outreach, event)
                if (known := self.decided.get(event.outreach)) is None or event.version > known.version:
                    self.decided[event.outreach] = event
                if event.outcome in _ENDS:
                    self.ended.setdefault(event.outreach, monotonic())
            case OutreachOutcomeReportedV1():
                known_outcome = self.outcome.get(event.outreach)
                if known_outcome is None or event.decision_version >= known_outcome.decision_version:
                    self.outcome[event.outreach] = event
            case ConsentChanged():
                if "contact" in event.purposes:
                    self.first_yes.setdefault(event.candidate, event)
                if (state := self.consent.get(event.candidate)) is None or event.version > state.version:
                    self.consent[event.candidate] = event
                    if "contact" not in event.purposes and event.candidate in self.first_yes:
                        self.stopped.setdefault(event.candidate, monotonic())
            case MembershipsChangedV1():
                if (pools := self.membership.get(event.candidate)) is None or event.version > pools.version:
                    self.membership[event.candidate] = event
                    if pools is not None and pools.pools and not event.pools:
                        self.left.setdefault(event.candidate, monotonic())
            case _:
                pass

    def is_settled(self, outreach: str) -> bool:
        """Whether nothing more happens to it before its slot comes: decided and, if admitted, with an outcome."""
        decision = self.decided.get(outreach)
        if decision is None:
            return False
        outcome = self.outcome.get(outreach)
        if decision.outcome == "admitted":
            return (
                outcome is not None and outcome.decision_version == decision.version and outcome.outcome != "returned"
            )
        return True

    def standing(self, outreach: str) -> str:
        """How far it has come, for whoever waits for it in vain."""
        decision, outcome = self.decided.get(outreach), self.outcome.get(outreach)
        if decision is None:
            return "not decided"
        ended = f"{outcome.outcome} of version {outcome.decision_version}" if outcome else "no outcome"
        return f"{decision.outcome} in version {decision.version}, {ended}"


@asynccontextmanager
async def watch(client: Client) -> AsyncIterator[tuple[MailWatch, TopicWatch]]:
    """Both watches, running."""
    mails, topics = MailWatch(client), TopicWatch()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(keep_looking(mails))
        for topic in _FOLLOWED:
            follower = Follower(reach(client.dev.kafka), topic, topics.apply, client_id="fairpool-demo")
            await follower.start()
            stack.push_async_callback(follower.stop)
            await stack.enter_async_context(_running(follower.run))
        yield mails, topics


@asynccontextmanager
async def keep_looking(mails: MailWatch) -> AsyncIterator[None]:
    """New mails are taken in as they come."""
    async with _running(mails.run):
        yield


async def until(
    condition: Callable[[], bool], what: Callable[[], str], *, within: timedelta, quietly: bool = False
) -> bool:
    """Return as soon as the condition holds; TooSlowError (or, quietly, False) when it did not in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within.total_seconds()
    while not condition():
        if loop.time() > end:
            if quietly:
                return False
            raise TooSlowError(f"expected within {within.total_seconds():g} s: {what()}")
        await asyncio.sleep(_LOOK_SECONDS / 2)
    return True


def reference_in(subject: str) -> str | None:
    """The reference that the demo's employers put into a subject."""
    found = _REFERENCE.search(subject)
    return found.group(1) if found else None


@asynccontextmanager
async def _running(run: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    task = asyncio.create_task(run())
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
