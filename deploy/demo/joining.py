"""The first acts: employers define pools, vendors report people, people answer their mail, pools fill."""

import asyncio
import re
from collections.abc import Coroutine, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from deploy.checks.collect import CaughtMail
from deploy.demo import reports
from deploy.demo.people import Person
from deploy.demo.steps import Step
from deploy.demo.trades import SEEKING
from deploy.demo.watching import until
from deploy.demo.world import World
from deploy.local.devfile import DevSource, DevVendor

T = TypeVar("T")

_BATCH = 25
_LINK = re.compile(r"https?://[^\s<>\"/]+/confirm/[^\s<>\"]+")
_MAILS_WITHIN = timedelta(seconds=90)
_POOLS_WITHIN = timedelta(seconds=60)


def is_invitation(subject: str) -> bool:
    """Whether it is an invitation's; who unsubscribes gets other emails of the network, too."""
    return subject.endswith("told Fairpool of you") or subject == "Your link to join Fairpool"


async def employers_define_pools(world: World, step: Step) -> None:
    """Each employer's standing query."""

    async def make(index: int) -> None:
        seeking = SEEKING[index]
        body = {"name": seeking.pool, **seeking.criteria}
        world.pools.append((seeking, await world.client.make_pool(world.employer(seeking.employer).key, body)))

    await gather([make(index) for index in range(len(SEEKING))])
    step.say(f"{len(world.pools)} pools of {len({seeking.employer for seeking in SEEKING})} employers")


async def vendors_report_people(world: World, step: Step) -> None:
    """Webhooks, single events and batches, all at once; some people come from two vendors."""
    vendors = world.client.dev.vendors
    webhooks = [person for person in world.people if person.by_webhook and _sources(world, vendors[person.vendors[0]])]
    by_webhook = {person.number for person in webhooks}
    work: list[Coroutine[Any, Any, None]] = [_by_webhook(world, person) for person in webhooks]
    for number, vendor in enumerate(vendors):
        told = [
            person
            for person in world.people
            if number in person.vendors and not (number == person.vendors[0] and person.number in by_webhook)
        ]
        singles, rest = told[:5], told[5:]
        work += [_by_events(world, vendor, [person]) for person in singles]
        work += [_by_events(world, vendor, batch) for batch in _in_batches(rest)]
    await gather(work)
    twice = sum(len(person.vendors) == 2 for person in world.people)
    step.say(
        f"{len(webhooks)} webhooks, {len(world.people) + twice - len(webhooks)} events, {twice} people from two vendors"
    )


async def _by_webhook(world: World, person: Person) -> None:
    vendor = world.client.dev.vendors[person.vendors[0]]
    sources = _sources(world, vendor)
    source = sources[person.number % len(sources)]
    body = reports.greenhouse(person, run=world.run, prospect=person.number % 4 == 0, at=world.now)
    for _ in range(2 if person.number % 10 == 0 else 1):  # webhooks are repeated in real life too
        await world.client.post_webhook(source, body, event_id=f"{world.run}-{person.number}")


async def _by_events(world: World, vendor: DevVendor, people: Sequence[Person]) -> None:
    employers = [employer.id for employer in world.client.dev.employers if employer.vendor == vendor.id]
    at = world.now
    batch = [
        reports.cloud_event(
            person, vendor=vendor.id, employer=employers[person.number % len(employers)], run=world.run, at=at
        )
        for person in people
    ]
    answer = await world.client.post_events(vendor.key, batch)
    if answer["rejected"]:
        raise RuntimeError(f"expected that {vendor.id}'s events are accepted, found {answer['rejected'][:3]}")


def _sources(world: World, vendor: DevVendor) -> list[DevSource]:
    vendor_of = {employer.id: employer.vendor for employer in world.client.dev.employers}
    return [source for source in world.client.dev.sources if vendor_of.get(source.employer) == vendor.id]


async def people_get_their_link(world: World, step: Step) -> dict[int, str]:
    """Each person's first mail has a link to their page; exactly one mail each, whoever reported them."""
    numbers = {person.mail: person.number for person in world.people}
    found: dict[int, str] = {}
    reading: set[str] = set()

    async def read(mail: CaughtMail) -> None:
        text = (await world.client.mail(mail.id))["Text"]
        if (link := _LINK.search(text)) is not None:
            found.setdefault(numbers[mail.address], link.group())

    tasks: list[asyncio.Task[None]] = []

    def all_read() -> bool:
        fresh = [mail for mail in world.mails.mails if mail.address in numbers and mail.id not in reading]
        reading.update(mail.id for mail in fresh)
        tasks.extend(asyncio.create_task(read(mail)) for mail in fresh)
        for task in tasks:
            if task.done():
                task.result()
        step.say(f"{len(found)} of {len(numbers)} links")
        return len(found) == len(numbers)

    await until(
        all_read, lambda: f"a link for each of {len(numbers)} people; {len(found)} have one", within=_MAILS_WITHIN
    )
    await gather([_finished(task) for task in tasks])
    return found


async def people_choose(world: World, step: Step, links: dict[int, str]) -> None:
    """Each opens the page, where everything is off, and posts what they want; who is on keeps what was told of their work."""
    done = 0

    async def choose(person: Person) -> None:
        nonlocal done
        await world.client.choose(links[person.number], person.choices)
        if person.choice != "nothing":
            await world.client.keep(links[person.number])
        done += 1
        step.say(f"{done} of {len(world.people)}")

    await gather([choose(person) for person in world.people])
    words = ("match and contact", "match only", "nothing")
    step.say(", ".join(f"{sum(person.choice == word for person in world.people)} {word}" for word in words))


async def pools_fill(world: World, step: Step) -> None:
    """Whoever allowed `match` and fits is a member; read over HTTP until nothing moves for a while."""
    loop = asyncio.get_running_loop()
    seen, since, deadline = -1, loop.time(), loop.time() + _POOLS_WITHIN.total_seconds()
    while loop.time() < deadline:
        await gather([_read_members(world, employer, pool) for employer, pool in _keys(world)])
        count = sum(len(members) for members in world.members.values())
        if count != seen:
            seen, since = count, loop.time()
        world.matched = sum(bool(state.pools) for state in world.topics.membership.values())
        step.say(f"{count} memberships of {world.matched} people")
        if count and loop.time() - since > 2.0:
            return
        await asyncio.sleep(0.5)


def _keys(world: World) -> Iterator[tuple[str, str]]:
    for seeking, pool in world.pools:
        yield world.employer(seeking.employer).key, pool


async def _read_members(world: World, key: str, pool: str) -> None:
    world.members[pool] = [item["member_ref"] for item in await world.client.members(key, pool)]


def _in_batches(people: Sequence[Person]) -> Iterator[Sequence[Person]]:
    for start in range(0, len(people), _BATCH):
        yield people[start : start + _BATCH]


async def _finished(task: asyncio.Task[T]) -> T:
    return await task


async def gather(work: Sequence[Coroutine[Any, Any, Any]]) -> None:
    """All at once; the first failure ends the rest."""
    async with asyncio.TaskGroup() as group:
        for coroutine in work:
            group.create_task(coroutine)
