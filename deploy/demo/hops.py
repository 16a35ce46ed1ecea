"""From an employer's request to the email in the relay's hands, hop by hop, at half of what the stack had just carried."""

import asyncio
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import monotonic

from rich.table import Table

from deploy.checks import collect
from deploy.demo import writing
from deploy.demo.effects import within
from deploy.demo.steps import Step
from deploy.demo.watching import until
from deploy.demo.world import Pace, World
from deploy.local import clockfile
from shared.contracts.outreach_gateway import OutreachDecidedV1, OutreachRequestedV1
from shared.messaging.envelope import Record, only

_PACED_FOR = timedelta(seconds=25)
_MOST = 0.95
"""Of a burst's emails: the last few may have waited for something else."""
_LAST_ONES = timedelta(seconds=10)
BOUNDS = (25, 50, 100, 250, 500)
"""Of the histogram, in ms; one more for what took longer."""
EDGE = "the edge answers (meanwhile)"
OUTBOX = "outbox, on outreach-requests"
REQUEST = "in hand to be decided"
DECISION = "decided, on outreach-decisions"
COURIER = "the courier is at the relay"
RELAY = "the relay has it"
WHOLE = "request to mail"
_COURIER_AND_RELAY = "the relay has it, by the courier"


@dataclass(frozen=True, slots=True)
class Hops:
    """What was measured at half load."""

    carried: float = 0.0
    a_second: float = 0.0
    requests: int = 0
    seconds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """By hop, of what was admitted at once; the answer is given while the rest goes on, so it is no part of the whole."""

    def as_json(self) -> dict[str, object]:
        """For scripts."""
        return {
            "carried_a_second": round(self.carried, 1),
            "requests_a_second": round(self.a_second, 1),
            "requests": self.requests,
            "admitted_at_once": len(self.seconds.get(WHOLE, ())),
            "hops": {
                hop: {f"p{share}": round(within(one, share / 100), 4) for share in (50, 95, 99)}
                | {"histogram": dict(zip((*map(str, BOUNDS), "more"), histogram(one), strict=True))}
                for hop, one in self.seconds.items()
            },
        }


def in_two(world: World) -> tuple[list[writing.Letter], list[writing.Letter]]:
    """What employers write, by halves of the people: everything to one person is in the same half."""
    halves: tuple[list[writing.Letter], list[writing.Letter]] = ([], [])
    for letter in writing.letters_to(world, set()):
        person = world.candidate_of(letter.seeking.employer, letter.member) or letter.member
        halves[zlib.crc32(person.encode()) % 2].append(letter)
    return halves


def carried_by(world: World) -> float:
    """Requests in a second of the burst that is over, from its first one until most of its emails had come."""
    began = min(one.posted for one in world.sent.values())
    mails = world.mails.references()
    came = sorted(
        (mails[one.reference].created - began).total_seconds()
        for one in world.sent.values()
        if one.reference in mails and world.topics.first[one.id].outcome == "admitted"
    )
    return _MOST * len(world.sent) / max(within(came, _MOST), 1.0)


async def employers_write_at_half_load(world: World, step: Step, letters: Sequence[writing.Letter]) -> None:
    """One after the other, whether or not the one before was answered; what is left after 25 s follows as a burst."""
    carried = carried_by(world)
    apart = 2 / carried
    paced = letters[: int(_PACED_FOR.total_seconds() / apart)]
    began, before = monotonic(), set(world.sent)
    async with asyncio.TaskGroup() as group:
        for number, letter in enumerate(paced):
            await asyncio.sleep(max(0.0, began + number * apart - monotonic()))
            group.create_task(writing.send(world, letter))
            step.say(f"{number + 1} of {len(paced)}, {1 / apart:.1f}/s")
    ahead = clockfile.offset(world.clock_file)
    world.pace = pace = Pace(carried, 1 / apart, ahead, frozenset(set(world.sent) - before))
    await until(
        lambda: all(map(world.topics.is_settled, pace.outreach)),
        lambda: "decisions and outcomes",
        within=_LAST_ONES,
        quietly=True,  # what came before its grant is held
    )
    await writing.write_all(world, step, letters[len(paced) :])
    step.say(
        f"{len(paced)} of {len(letters)} one after the other, {1 / apart:.1f}/s, half of the {carried:.1f}/s of the burst"
    )


def measured(world: World, records: Sequence[Record]) -> Hops:
    """By the times that are there already: of the requests, of records on their topics, of the relay's conversation."""
    pace = world.pace
    if pace is None:
        return Hops()
    received, _ = collect.events(records, world.seals)
    asked = {one.event.outreach: (one.time, _written(one.record)) for one in only(OutreachRequestedV1, received)}
    decided = {
        one.event.outreach: (one.time, _written(one.record))
        for one in sorted(only(OutreachDecidedV1, received), key=lambda one: one.event.version, reverse=True)
    }  # the first version last, so that it stays
    mails = world.mails.references()
    found: dict[str, list[float]] = {}
    for outreach in pace.outreach & asked.keys() & decided.keys():
        sent, (taken, requested), (in_hand, told) = world.sent[outreach], asked[outreach], decided[outreach]
        mail = mails.get(sent.reference)
        if world.topics.first[outreach].outcome != "admitted" or mail is None or taken is None or in_hand is None:
            continue
        chain: list[tuple[str, datetime]] = [
            (OUTBOX, requested),
            (REQUEST, in_hand - pace.ahead),
            (DECISION, told),
            *([(COURIER, mail.began), (RELAY, mail.created)] if mail.began else [(_COURIER_AND_RELAY, mail.created)]),
        ]
        moments = [taken - pace.ahead, *(at for _, at in chain)]
        found.setdefault(EDGE, []).append((sent.answered - sent.posted).total_seconds())
        for (hop, _), (since, at) in zip(chain, pairwise(moments), strict=True):
            found.setdefault(hop, []).append(max(0.0, (at - since).total_seconds()))
        found.setdefault(WHOLE, []).append((mail.created - sent.posted).total_seconds())
    return Hops(pace.carried, pace.a_second, len(pace.outreach), {hop: sorted(one) for hop, one in found.items()})


def histogram(seconds: Iterable[float]) -> list[int]:
    """How many took at most as long as each of the bounds and longer than the one before, and how many took longer than all."""
    counts = [0] * (len(BOUNDS) + 1)
    for one in seconds:
        counts[sum(1000 * one > bound for bound in BOUNDS)] += 1
    return counts


def table(hops: Hops) -> Table:
    """For people: a line for each hop, with how many took how long."""
    made = Table(
        title=f"Request to mail at half load ({hops.a_second:.1f} requests/s; the burst: {hops.carried:.1f}/s), ms until",
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 1, 0, 0),
    )
    made.add_column(min_width=32, no_wrap=True)
    for name in ("median", "99 %", *(f"≤{bound}" for bound in BOUNDS), "more"):
        made.add_column(name, justify="right", min_width=max(4, len(name)), no_wrap=True)
    for hop, seconds in hops.seconds.items():
        shares = (f"{1000 * within(seconds, share):.0f}" for share in (0.5, 0.99))
        made.add_row(f"  {hop}", *shares, *(str(count or "·") for count in histogram(seconds)))
    return made


def _written(record: Record) -> datetime:
    return datetime.fromtimestamp((record.written or 0) / 1000, UTC)
