"""Some people press stop, and some erase themselves: what that brings about is measured from the click on."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from time import monotonic

from deploy.checks.collect import CaughtMail
from deploy.checks.history import Withdrawal
from deploy.demo.effects import Click, Erased
from deploy.demo.joining import gather
from deploy.demo.steps import Step
from deploy.demo.watching import TooSlowError, until
from deploy.demo.world import World

_WITHIN = timedelta(seconds=300)
"""As for all that is settled: work that a killed process had claimed is claimed again when its lease is over."""
_AT_ONCE = 3
"""People press one after the other, and not all in the same instant."""
_LOOK_SECONDS = 0.1
_Message = tuple[CaughtMail, str]
"""An employer's email, and the id of who got it."""
_UNSUBSCRIBE = re.compile(rb"^List-Unsubscribe:\s*<([^>]+)>", re.MULTILINE | re.IGNORECASE)
_MAILTO = re.compile(rb"\r?\n[ \t]+")


async def early_leavers(world: World, *, most: int, within: timedelta) -> None:
    """Unsubscribe as emails arrive, while all the others are still being written to; fewer where few get one in time."""
    left, deadline = 0, monotonic() + within.total_seconds()
    while left < most and monotonic() < deadline:
        fresh = list(_first_mails(world))[: most - left]
        left += len(fresh)
        await _press(world, fresh)
        await asyncio.sleep(_LOOK_SECONDS)


async def people_unsubscribe(world: World, step: Step, *, most: int) -> None:
    """Some who got one message and have another one waiting press their mail program's button; then all of it has come about."""
    chosen = _with_another_waiting(world)[:most]
    await _press(world, chosen)
    await until(
        lambda: all(click.holds(world.topics) for click in world.clicks),
        lambda: "no pool, no grant, and cancelled decisions for what waited, of all who unsubscribed",
        within=_WITHIN,
    )
    step.say(f"{len(chosen)} people, each with a message that was waiting: all cancelled")


async def people_erase_themselves(world: World, step: Step, *, most: int) -> None:
    """Some with a message that waits, by the link of their invitation; until every service has confirmed each erasure."""
    chosen = _with_another_waiting(world)[:most]
    await gather([_erase(world, message) for message in chosen])
    slowest = max((one.dark_after for one in world.erased), default=0.0)
    step.say(f"{len(chosen)} people; of the last one every service had erased what it kept after {slowest:.1f} s")


async def _press(world: World, messages: Sequence[_Message]) -> None:
    room = asyncio.Semaphore(_AT_ONCE)

    async def press(message: _Message) -> None:
        async with room:
            await _unsubscribe(world, message)

    await gather([press(message) for message in messages])


async def _unsubscribe(world: World, message: _Message) -> None:
    """Post to the address that the mail's header names, and remember when that was asked and answered."""
    mail, candidate = message
    header = _UNSUBSCRIBE.search(_MAILTO.sub(b" ", await world.client.raw_mail(mail.id)))
    if header is None:
        raise RuntimeError("expected a List-Unsubscribe header in an employer's mail, found none")
    click = Click.of(candidate, world.topics, monotonic())
    if await world.client.unsubscribe(header.group(1).decode().strip()):
        world.withdrawals.append(Withdrawal(mail.address, world.now))
    world.clicks.append(click)


async def _erase(world: World, message: _Message) -> None:
    """Dark is who has no pool, no grant and nothing that waits, once every service has confirmed the erasure."""
    mail, candidate = message
    link = world.links[next(person.number for person in world.people if person.mail == mail.address)]
    click = Click.of(candidate, world.topics, monotonic())
    certificate = await world.client.erase(link)
    world.withdrawals.append(Withdrawal(mail.address, world.now))
    while outstanding := await world.client.outstanding(certificate):
        if monotonic() > click.at + _WITHIN.total_seconds():
            raise TooSlowError(
                f"expected that each service confirms an erasure, found none of {', '.join(outstanding)}"
            )
        await asyncio.sleep(_LOOK_SECONDS)
    confirmed = monotonic()
    await until(lambda: click.holds(world.topics), lambda: "nothing is left of who was erased", within=_WITHIN)
    await world.mails.look()
    effects = [seconds for seconds in click.effects(world.topics).values() if seconds is not None]
    emails, opens = world.mails.count_to(mail.address), await world.client.is_open(link)
    world.erased.append(Erased(mail.address, max(confirmed - click.at, *effects), emails, link_opens=opens))


def _with_another_waiting(world: World) -> list[_Message]:
    """Who got a message, has another one waiting, and is still there."""
    waiting = {decision.candidate for decision in world.topics.decided.values() if decision.outcome == "delayed"}
    return [(mail, candidate) for mail, candidate in _first_mails(world) if candidate in waiting]


def _first_mails(world: World) -> Iterator[_Message]:
    """The first message to each person of this story who has not left; not those of an earlier one on the same stack."""
    sent = {one.reference: one.id for one in world.sent.values()}
    left = {click.candidate for click in world.clicks}
    people = {person.mail for person in world.people}
    for mark, mail in world.mails.references().items():
        candidate = world.topics.candidate.get(sent.get(mark, ""))
        if candidate is not None and mail.address in people and candidate not in left:
            left.add(candidate)
            yield mail, candidate
