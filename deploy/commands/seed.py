"""`fairpool seed`: invented people, so that a newcomer's pools are not empty."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.commands.terminal import HomeOption, JsonOption, fails_plainly, out
from deploy.demo import seeding
from deploy.demo.steps import Steps
from deploy.demo.stuck import plainly
from deploy.local import devfile
from deploy.local.devfile import DevFile
from deploy.local.errors import StackError
from deploy.local.home import Home

SEED = 1
PEOPLE = 60
_WHERE = typer.Option(
    "--stack",
    metavar="FILE",
    help="Addresses and keys of another stack with the demo's tenants, in the form of `.fairpool/dev.json`.",
)


@fails_plainly
def seed(
    *,
    number: Annotated[
        int, typer.Option("--seed", min=0, max=9999, help="The same number invents the same people; another, others.")
    ] = SEED,
    people: Annotated[int, typer.Option(min=seeding.FEWEST, max=900, help="How many.")] = PEOPLE,
    stack: Annotated[Path | None, _WHERE] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let invented people join a running stack: vendors report them or they come by the join page; most allow to be found
    and written to, some pause, block an employer, leave again, or say no. Again with the same seed, nobody is added.

    Two employers find five or more of them: Denver Health nurses in Colorado, Tidewater Software developers.
    Exit codes: 0 they are there, 1 another error, 8 nothing runs, 9 it got stuck (again goes on where it was).
    """
    place = Home.at(home)
    dev = devfile.load(stack or place.dev_file)
    console = Console(highlight=False, soft_wrap=True, stderr=as_json)
    done = asyncio.run(sow(dev, place, number=number, people=people, console=console))
    if as_json:
        sys.stdout.write(json.dumps(done.as_json(), indent=2) + "\n")
    else:
        out.print(in_words(done))


async def sow(
    dev: DevFile, place: Home, *, number: int = SEED, people: int = PEOPLE, console: Console
) -> seeding.Seeded:
    """Do it; StackError says what is in the way."""
    if not dev.mail:
        raise StackError(
            "expected a mail catcher, where invented people find their link, found that this stack sends its emails to the "
            "relay that FAIRPOOL_SMTP names. Start one without it: `fairpool dev`."
        )
    with plainly(place.logs):
        return await seeding.seed(dev, place.clock_file, count=people, seed=number, steps=Steps(console))


def in_words(done: seeding.Seeded) -> str:
    """What is there now, and what to do with it."""
    pools = "; ".join(f"{cohort.employer} {json.dumps(cohort.criteria)}" for cohort in seeding.COHORTS)
    return (
        f"{done.added} of {len(done.people)} invented people were added in {done.seconds:.0f} s"
        f"{'' if done.added else ': all were there already'}.\n"
        f"Employers are told at their next tick. Pools with five or more of them: {pools}"
    )
