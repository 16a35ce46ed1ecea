"""The whole story on a running stack, act by act, and the reckoning at the end."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import combinations

from deploy.checks import collect
from deploy.checks.checker import CHECKS
from deploy.checks.history import History
from deploy.checks.policy import FIRST_POLICY
from deploy.checks.privacy import Scanner
from deploy.demo import hops, joining, leaving, telling, writing
from deploy.demo.client import connect
from deploy.demo.people import invent
from deploy.demo.steps import Steps
from deploy.demo.summary import Summary, rules_by_operator, summarise
from deploy.demo.watching import watch
from deploy.demo.world import World, next_tuesday
from deploy.local import clockfile
from deploy.local.devfile import DevFile
from deploy.local.endpoints import reach
from deploy.local.home import Home
from shared.contracts.consent import ConsentChanged
from shared.contracts.outreach_gateway import OutreachDecidedV1, OutreachRequestedV1
from shared.contracts.pool_matching import DisclosedV1
from shared.contracts.signup import OutreachOutcomeReportedV1
from shared.messaging.envelope import Record, only

_LEAVE_EARLY, _UNSUBSCRIBE, _ERASE = 6, 20, 30
"""One of so many people each: while employers still write, with a message waiting, and by erasing themselves."""
_MOVES = 14
_DAYS = 9


async def play(dev: DevFile, home: Home, *, people: int, steps: Steps) -> Summary:
    """Play it; the summary says whether every promise was kept."""
    async with connect(dev) as client, watch(client) as (mails, topics):
        run = _tag(clockfile.now(home.clock_file))
        world = World(client, home.clock_file, run, invent(people, run=run), mails, topics)
        await _join(world, steps)
        await _write(world, steps)
        with steps.step("Every record, mail and log line is read and recounted") as step:
            records, logs = await collect.read_topics(reach(dev.kafka)), collect.logs(home.logs)
            await mails.look()  # after the topics: no outcome is read before its mail
            history = history_of(world, records)
            promises = {
                **check(history),
                **_edges(world),
                **_privacy(world, records, logs),
                **_dark(world),
            }
            step.say(
                f"{len(records)} records, {len(history.mails)} mails, {sum(map(len, logs.values())) // 1024} KiB of logs"
            )
        with steps.step("The operator looks up the rule behind each decision"):
            rules = await rules_by_operator(world)
        return summarise(world, history, rules, promises, hops.measured(world, records))


async def _join(world: World, steps: Steps) -> None:
    with steps.step("The clock is set to a Tuesday morning, working hours in all states") as step:
        world.move_clock(next_tuesday(world.now))
        world.tick = await world.client.told_every()
        step.say(f"{world.now:%a %d %b %H:%M} UTC; employers are told every {in_words(world.tick)}")
    with steps.step("Employers define their pools") as step:
        await joining.employers_define_pools(world, step)
    with steps.step(f"Vendors report {len(world.people)} people") as step:
        await joining.people_come(world, step)
    with steps.step("Each person gets one mail with a link to their page") as step:
        world.links = await joining.people_get_their_link(world, step)
    with steps.step("On the page all is off; people switch on what they want, and keep what may be shown") as step:
        await joining.people_choose(world, step, world.links)
    with steps.step("Pools fill with those who allowed it") as step:
        await joining.pools_fill(world, step)


async def _write(world: World, steps: Steps) -> None:
    with steps.step("Employers write to half of the people in their pools, all at once") as step:
        first, second = hops.in_two(world)
        await writing.employers_write(world, step, leavers=len(world.people) // _LEAVE_EARLY, letters=first)
    with steps.step("The gateway admits, delays or drops; the courier sends") as step:
        await writing.gateway_decides(world, step)
    with steps.step("Employers write to the others, at half of what the burst came to") as step:
        await hops.employers_write_at_half_load(world, step, second)
    with steps.step("The gateway decides those too") as step:
        await writing.gateway_decides(world, step)
    with steps.step("Some who have another message waiting unsubscribe with one click") as step:
        await leaving.people_unsubscribe(world, step, most=len(world.people) // _UNSUBSCRIBE)
    with steps.step("Some erase themselves altogether") as step:
        await leaving.people_erase_themselves(world, step, most=len(world.people) // _ERASE)
    with steps.step("Time passes, reserved slots come") as step:
        await writing.time_passes(world, step, moves=_MOVES, days=_DAYS)
    with steps.step("The day is over, and senders are told") as step:
        await telling.what_was_sent_is_told(world, step)
    with steps.step(
        "Every message comes to its own end: its sender hears that it was not sent, and nobody why"
    ) as step:
        await telling.everything_comes_to_its_end(world, step, moves=_MOVES)


def history_of(world: World, records: Sequence[Record]) -> History:
    """What the checker recounts."""
    received, unreadable = collect.events(records, world.seals)
    return History(
        now=world.now,
        submitted=frozenset(world.sent),
        requests=[item.event for item in only(OutreachRequestedV1, received)],
        decisions=[item.event for item in only(OutreachDecidedV1, received)],
        outcomes=[item.event for item in only(OutreachOutcomeReportedV1, received)],
        consents=[item.event for item in only(ConsentChanged, received)],
        mails=world.arrived(),
        withdrawals=world.withdrawals,
        answers=[*world.answers, *(answer for feed in world.feeds.values() for answer in feed)],
        told=[row for rows in world.told.values() for row in rows],
        told_every=world.tick,
        known_by={outreach: one.known_by for outreach, one in world.sent.items()} if world.told else {},
        lists=world.lists,
        shown=list(world.who_was_shown()),
        disclosures=[item.event for item in only(DisclosedV1, received)],
        versioned=collect.versioned(received),
        unreadable=unreadable,
    )


def check(history: History) -> dict[str, Sequence[str]]:
    """Each promise about outreach, with what breaks it."""
    return {name: [str(item) for item in one(history, FIRST_POLICY)] for name, one in CHECKS.items()}


def _edges(world: World) -> Mapping[str, Sequence[str]]:
    by_employer: dict[str, set[str]] = {}
    for seeking, pool in world.pools:
        by_employer.setdefault(seeking.employer, set()).update(world.members[pool])
    shared = [
        f"{one} and {other} share {len(by_employer[one] & by_employer[other])} member refs"
        for one, other in combinations(by_employer, 2)
        if by_employer[one] & by_employer[other]
    ]
    links = [
        f"{person.choice} person {person.number} got more than one link"
        for person in world.people
        if sum(1 for mail in world.mails.to(person.mail) if joining.is_invitation(mail.subject)) != 1
    ]
    return {
        "a repeated request is the same outreach": [f"another id: {item}" for item in world.repeats_that_differ],
        "two employers' pseudonyms share nothing": shared,
        "each person was invited once": links,
    }


def _privacy(world: World, records: Sequence[Record], logs: Mapping[str, bytes]) -> Mapping[str, Sequence[str]]:
    scanner = Scanner(world.canaries())
    on_topics = [f"{record.position}: {what}" for record in records for what in scanner.find(collect.scannable(record))]
    in_logs = [f"{name}: {what}" for name, content in logs.items() for what in scanner.find(content)]
    return {"no personal field in clear on a topic": on_topics, "no personal field in a log": in_logs}


def _dark(world: World) -> Mapping[str, Sequence[str]]:
    """By the end of the story; people by their number alone."""
    numbers = {person.mail: person.number for person in world.people}
    opens = [f"person {numbers[one.address]}: their link opens a page" for one in world.erased if one.link_opens]
    mailed = [
        f"person {numbers[one.address]}: an email came"
        for one in world.erased
        if world.mails.count_to(one.address) > one.emails
    ]
    return {"whoever erased themself is dark: their link opens nothing, no email comes": [*opens, *mailed]}


def in_words(tick: timedelta) -> str:
    """How often employers are told."""
    hours = tick / timedelta(hours=1)
    return f"{hours:g} h" if hours >= 1 else f"{tick.total_seconds():g} s (on a laptop; a network does it once a day)"


def _tag(moment: datetime) -> str:
    """Keeps the people of two runs on one stack apart: the stack's time in seconds, in base 36."""
    number, digits = int(moment.timestamp()), "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, rest = divmod(number, 36)
        text = digits[rest] + text
    return text
