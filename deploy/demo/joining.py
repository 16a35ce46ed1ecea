"""The first acts: employers define pools, vendors report people, people answer their mail, pools fill."""

import asyncio
import re
from collections import Counter
from collections.abc import Collection, Coroutine, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from deploy.checks.collect import CaughtMail
from deploy.demo import reports
from deploy.demo.client import Client, UnexpectedAnswerError
from deploy.demo.people import Person
from deploy.demo.steps import Step
from deploy.demo.trades import SEEKING
from deploy.demo.watching import MailWatch, until
from deploy.demo.world import World
from deploy.local.devfile import DevSource, DevVendor
from shared.contracts.base import rfc3339

T = TypeVar("T")

_BATCH = 25
_LINK = re.compile(r"https?://[^\s<>\"/]+/confirm/[^\s<>\"]+")
_MAILS_WITHIN = timedelta(seconds=90)
_QUIET_SECONDS = 2.0
_FEW = 4
_A_BREAK = timedelta(days=60)
_POOLS_WITHIN = timedelta(seconds=60)


class Crowd(Protocol):
    """Who is to join which stack."""

    @property
    def client(self) -> Client:
        """Speaks to the stack."""

    @property
    def run(self) -> str:
        """Keeps these people apart from others on the same stack."""

    @property
    def people(self) -> Sequence[Person]:
        """All of them."""

    @property
    def mails(self) -> MailWatch:
        """The mail catcher."""

    @property
    def now(self) -> datetime:
        """The stack's time."""


def is_invitation(subject: str) -> bool:
    """Whether it is an invitation's; who unsubscribes gets other emails of the network, too."""
    return subject.endswith("told Fairpool about you") or subject == "Your link to join Fairpool"


async def employers_define_pools(world: World, step: Step) -> None:
    """Each employer's standing query."""

    async def make(index: int) -> None:
        seeking = SEEKING[index]
        body = {"name": seeking.pool, **seeking.criteria}
        world.pools.append((seeking, await world.client.make_pool(world.employer(seeking.employer).key, body)))

    await gather([make(index) for index in range(len(SEEKING))])
    step.say(f"{len(world.pools)} pools of {len({seeking.employer for seeking in SEEKING})} employers")


async def people_come(crowd: Crowd, step: Step, people: Collection[Person] | None = None) -> None:
    """Vendors tell of them (webhooks, single events and batches, all at once; of some two), or they come by the join page."""
    people = crowd.people if people is None else people
    vendors = crowd.client.dev.vendors
    webhooks = [
        person
        for person in people
        if person.vendors and person.by_webhook and _sources(crowd, vendors[person.vendors[0]])
    ]
    by_webhook = {person.number for person in webhooks}
    joining = [person for person in people if not person.vendors]
    work: list[Coroutine[Any, Any, None]] = [_by_webhook(crowd, person) for person in webhooks]
    work += [crowd.client.join(reports.joining(person)) for person in joining]
    events = 0
    for number, vendor in enumerate(vendors):
        told = [
            person
            for person in people
            if number in person.vendors and not (number == person.vendors[0] and person.number in by_webhook)
        ]
        events += len(told)
        singles, rest = told[:5], told[5:]
        work += [_by_events(crowd, vendor, [person]) for person in singles]
        work += [_by_events(crowd, vendor, batch) for batch in _in_batches(rest)]
    await gather(work)
    twice = sum(len(person.vendors) == 2 for person in people)
    by_page = f", {len(joining)} by the join page" if joining else ""
    step.say(f"{len(webhooks)} webhooks, {events} events, {twice} people from two vendors{by_page}")


async def _by_webhook(crowd: Crowd, person: Person) -> None:
    vendor = crowd.client.dev.vendors[person.vendors[0]]
    sources = _sources(crowd, vendor)
    source = sources[person.number % len(sources)]
    body = reports.greenhouse(person, run=crowd.run, prospect=person.number % 4 == 0, at=crowd.now)
    for _ in range(2 if person.number % 10 == 0 else 1):  # webhooks are repeated in real life too
        await crowd.client.post_webhook(source, body, event_id=f"{crowd.run}-{person.number}")


async def _by_events(crowd: Crowd, vendor: DevVendor, people: Sequence[Person]) -> None:
    employers = [employer.id for employer in crowd.client.dev.employers if employer.vendor == vendor.id]
    at = crowd.now
    batch = [
        reports.cloud_event(
            person, vendor=vendor.id, employer=employers[person.number % len(employers)], run=crowd.run, at=at
        )
        for person in people
    ]
    answer = await crowd.client.post_events(vendor.key, batch)
    if answer["rejected"]:
        raise UnexpectedAnswerError(f"expected that {vendor.id}'s events are accepted, found {answer['rejected'][:3]}")


def _sources(crowd: Crowd, vendor: DevVendor) -> list[DevSource]:
    vendor_of = {employer.id: employer.vendor for employer in crowd.client.dev.employers}
    return [source for source in crowd.client.dev.sources if vendor_of.get(source.employer) == vendor.id]


async def people_get_their_link(crowd: Crowd, step: Step) -> dict[int, str]:
    """Each person's first mail has a link to their page; exactly one mail each, whoever reported them."""
    numbers = {person.mail: person.number for person in crowd.people}
    found: dict[int, str] = {}
    reading: set[str] = set()

    async def read(mail: CaughtMail) -> None:
        text = (await crowd.client.mail(mail.id))["Text"]
        if (link := _LINK.search(text)) is not None:
            found.setdefault(numbers[mail.address], link.group())

    tasks: list[asyncio.Task[None]] = []

    def all_read() -> bool:
        fresh = [mail for mail in crowd.mails.mails if mail.address in numbers and mail.id not in reading]
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


async def people_choose(crowd: Crowd, step: Step, links: dict[int, str]) -> None:
    """Each opens the page, where everything is off, and posts what they want; who is on keeps what is told of their work."""
    done = 0

    async def choose(person: Person) -> None:
        nonlocal done
        await _answer(crowd, person, links[person.number])
        done += 1
        step.say(f"{done} of {len(crowd.people)}")

    await gather([choose(person) for person in crowd.people])
    words = ("match and contact", "match only", "nothing")
    step.say(", ".join(f"{sum(person.choice == word for person in crowd.people)} {word}" for word in words))


async def _answer(crowd: Crowd, person: Person, link: str) -> None:
    """What is there already stays as it is: whoever said what may be shown has answered before."""
    client = crowd.client
    if not await client.is_open(link):
        return
    if person.choice == "nothing":
        await client.choose(link, person.choices)
    elif not await client.has_kept(link):
        on_a_break = {"paused_until": rfc3339(crowd.now + _A_BREAK)} if person.is_paused else {}
        await client.choose(link, {**person.choices, **on_a_break})
        await client.keep(link, reports.added(person) if not person.vendors else {})
    if person.leaves:
        await client.choose(link, {"purposes": []})


async def pools_fill(world: World, step: Step) -> None:
    """Whoever allowed `match` and fits is a member, and is listed from their employers' next tick on, where at least five are.

    Read over HTTP until nothing moves for a while.
    """
    loop = asyncio.get_running_loop()
    await all_are_heard_of(world)
    world.move_clock(world.now + world.tick)
    seen, since, deadline = -1, loop.time(), loop.time() + _POOLS_WITHIN.total_seconds()
    while loop.time() < deadline:
        await read_lists(world)
        count = sum(len(members) for members in world.members.values())
        if count != seen:
            seen, since = count, loop.time()
        world.matched = sum(bool(state.pools) for state in world.topics.membership.values())
        few = sum(not members for members in world.members.values())
        step.say(
            f"{world.matched} people fit; employers see {count} pseudonyms in {len(world.pools) - few} pools"
            + (f", and of {few} pools that fewer than 5 fit" if few else "")
        )
        if count and loop.time() - since > _QUIET_SECONDS and not _to_be_listed(world):
            return
        await asyncio.sleep(0.5)


def _to_be_listed(world: World) -> int:
    """How many fit and are in no list yet, but for those of whom fewer than five wait: on a stack with others the lists have somebody
    before the new ones are in them.
    """
    fit = Counter(one.pool for state in world.topics.membership.values() for one in state.pools)
    return sum(max(0, fit[pool] - len(world.members[pool]) - _FEW) for _, pool in world.pools)


async def all_are_heard_of(world: World) -> None:
    """Matching has heard of all, as far as can be told from outside."""
    loop = asyncio.get_running_loop()
    known, since, deadline = -1, loop.time(), loop.time() + _POOLS_WITHIN.total_seconds()
    while loop.time() < min(deadline, since + _QUIET_SECONDS):
        if (now := len(world.topics.membership)) != known:
            known, since = now, loop.time()
        await asyncio.sleep(0.1)


async def read_lists(world: World) -> None:
    """Each employer looks at its pools."""
    await gather([_read_members(world, seeking.employer, pool) for seeking, pool in world.pools])


async def _read_members(world: World, employer: str, pool: str) -> None:
    members = await world.client.members(world.employer(employer).key, pool)
    world.members[pool] = [item["member_ref"] for item in members]
    world.lists.append((pool, len(members)))
    at = world.now
    for item in members:
        fields = frozenset(name for name, value in item["profile"].items() if value not in (None, []))
        world.shown.setdefault((employer, pool, item["member_ref"], fields), at)


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
