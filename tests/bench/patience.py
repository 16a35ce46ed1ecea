"""`python -m tests.bench.patience [PEOPLE]`: what it costs that employers are told once a day, on the demo's traffic.

A stack of its own with daily ticks. All people join within a minute; from then on every employer looks at its lists every hour and
writes at once to whoever is new in them. Time is the stack's, moved by the hour; the figures are how long it is from a person's yes to
their first message, and from submission to the tick at which the sender hears.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

from rich.console import Console

from deploy.demo import joining, telling, writing
from deploy.demo.client import connect
from deploy.demo.people import invent
from deploy.demo.steps import Steps
from deploy.demo.watching import watch
from deploy.demo.world import World, next_tuesday
from deploy.local import devfile, launch, postgres
from deploy.local.home import Home
from deploy.local.ports import Ports
from deploy.local.stack import Options

_HOUR = timedelta(hours=1)
_LOOKS = 36
"""Hours in which employers look for new people; by then each has been told once."""
_STEP = timedelta(hours=6)
"""Then the clock goes on by so much, or to the next slot."""


async def measure(home: Home, people: int) -> None:
    """Play it and print the figures."""
    dev, steps = devfile.load(home.dev_file), Steps(Console())
    async with connect(dev) as client, watch(client) as (mails, topics):
        world = World(client, home.clock_file, "p", invent(people, run="p"), mails, topics)
        world.tick = await client.told_every()
        world.move_clock(next_tuesday(world.now))
        with steps.step(f"{people} people join; employers are told every {world.tick}") as step:
            await joining.employers_define_pools(world, step)
            await joining.people_come(world, step)
            await joining.people_choose(world, step, await joining.people_get_their_link(world, step))
            await joining.all_are_heard_of(world)
        with steps.step("Employers look every hour, and write to whom they see for the first time") as step:
            written: set[tuple[str, str]] = set()
            for _ in range(_LOOKS):
                await _go_on(world, world.now + _HOUR)
                await joining.read_lists(world)
                for letter in writing.letters_to(world, written):
                    await writing.send(world, letter)
                await writing.gateway_decides(world, step)
                step.say(f"{world.now:%a %d %b %H:%M} UTC, {len(world.sent)} messages")
        with steps.step("Time passes, until each sender knows") as step:
            end = max(one.known_by for one in world.sent.values())
            while world.now.date() <= end:
                slots = [moment for moment, _ in writing.planned(world)]
                await _go_on(world, min([world.now + _STEP, *slots]) + timedelta(seconds=1))
                step.say(f"{world.now:%a %d %b %H:%M} UTC")
            await telling.everything_comes_to_its_end(world, step, moves=0)
        _tell(world)


async def _go_on(world: World, to: datetime) -> None:
    world.move_clock(to)
    await writing.due_is_decided(world, [outreach for moment, outreach in writing.planned(world) if moment <= to])


def _tell(world: World) -> None:
    yes = {one.candidate: one.at for one in world.topics.first_yes.values()}
    first: dict[str, datetime] = {}
    for mail in world.arrived():
        person = world.topics.candidate[mail.outreach]
        first[person] = min(first.get(person, mail.at), mail.at)
    _line("from a person's yes to their first message", [at - yes[person] for person, at in first.items()])
    rows = {row.outreach: row for rows in world.told.values() for row in rows}
    told = {name: rows[name].at - world.offsets.stack_time(one.posted) for name, one in world.sent.items()}
    _line("from submission to knowing, all", list(told.values()))
    for state in ("sent", "not_sent"):
        _line(
            f"from submission to knowing, {state}", [span for name, span in told.items() if rows[name].state == state]
        )


def _line(what: str, spans: Sequence[timedelta]) -> None:
    days = sorted(span / timedelta(days=1) for span in spans)
    if days:
        most = days[len(days) * 9 // 10]
        sys.stdout.write(
            f"{what}: median {median(days):.2f} days, 9 of 10 within {most:.2f}, worst {days[-1]:.2f} ({len(days)})\n"
        )


def main() -> None:
    """A stack of its own, and nothing left of it."""
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    os.environ.setdefault("FAIRPOOL_TICK", "P1D")
    home = Home(Path(tempfile.mkdtemp(prefix="fairpool-bench-")))
    home.root.chmod(0o755)  # PostgreSQL runs as another user when we are root
    try:
        launch.start(Options(home=home.root, ports=Ports.free(), ends_with_caller=True))
        asyncio.run(measure(home, people))
    finally:
        launch.stop(home)
        postgres.forget(home)
        shutil.rmtree(home.root)


if __name__ == "__main__":
    main()
