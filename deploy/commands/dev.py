"""`fairpool dev`: the whole stack on this machine, and its clock."""

import asyncio
import os
import time
from datetime import UTC, timedelta
from typing import Annotated

import typer
from rich.console import Console

from deploy.commands.seed import in_words, sow
from deploy.commands.terminal import BrokerOption, HomeOption, Progress, fails_plainly, out, table, warn
from deploy.local import clockfile, devfile, launch, services, stack, state
from deploy.local.broker import Broker
from deploy.local.devfile import DevFile
from deploy.local.errors import NotRunningError, StackError
from deploy.local.home import Home
from deploy.local.ports import BASE_ENVIRONMENT, Ports

_LOOK_SECONDS = 0.2
_NO_PEOPLE = "none yet: fairpool seed invents 60, so that pools are not empty (--seed does it at once)"
_SEEDING = "none yet: 60 invented ones join now (--seed), and are there when this says how many"
_OPENS, _CLOSES = 19, 22
"""In UTC, well inside of what is day from Hawaii to the east coast, in summer and in winter."""

app = typer.Typer(
    help="""Start the whole stack on this machine: Kafka, PostgreSQL, Redis, mail catcher and all services.

    Exit codes: 0 stopped as asked or, with --detach, ready · 1 other error · 2 wrong usage · 3 a port is taken ·
    4 already running · 5 a part did not start · 6 a part keeps crashing · 7 the embedded broker was lost · 8 not running ·
    10 the home's data belong to another broker.""",
    invoke_without_command=True,
)
clock = typer.Typer(
    help="Move the clock of a running local stack; real time plus an offset. `at` alone moves it back, and warns: what was made later is in the future then.",
    no_args_is_help=True,
)
app.add_typer(clock, name="clock")


@app.callback()
@fails_plainly
def dev(
    context: typer.Context,
    *,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return as soon as all is ready; stop with `fairpool down`.")
    ] = False,
    broker: BrokerOption = Broker.EMBEDDED,
    port_base: Annotated[
        int | None, typer.Option(metavar="N", help=f"Move all ports to N+1, N+2 and so on (or {BASE_ENVIRONMENT}).")
    ] = None,
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Take any free ports.")] = False,
    replicas: Annotated[
        int, typer.Option(min=1, max=4, metavar="N", help="Run each service and the courier N times, on free ports.")
    ] = 1,
    seed: Annotated[
        bool, typer.Option("--seed", help="Let invented people join at once, as `fairpool seed` does later.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Start the stack, unless a subcommand was named."""
    if context.invoked_subcommand is not None:
        return
    options = stack.Options(
        home=Home.at(home).root,
        ports=Ports.chosen(base=port_base, free=free_ports),
        broker=broker,
        replicas=dict.fromkeys(services.NAMES, replicas),
    )
    began = time.monotonic()
    _say_how_often_employers_are_told()
    if detach:
        _in_background(options, began, seeds=seed)
        if seed:
            asyncio.run(_seed(Home(options.home)))
    else:
        asyncio.run(_in_foreground(options, began, seeds=seed))


@clock.command()
@fails_plainly
def at(
    moment: Annotated[str, typer.Argument(help="A time such as 2026-11-23T15:00:00Z.")], home: HomeOption = None
) -> None:
    """Let the stack's clock go on from a moment, also an earlier one: slots, links and windows that were made later are in the future then."""
    path = _clock_of_running(home)
    asked = clockfile.parse_moment(moment)
    if asked < clockfile.now(path.clock_file):
        warn("the clock goes back: slots, links and windows that were made later are in the future now")
    clockfile.set_to(path.clock_file, asked)
    _show(path)


@clock.command("working-hours")
@fails_plainly
def working_hours(home: HomeOption = None) -> None:
    """Go on to the next hour at which it is day in all of the 50 states: nobody is written to at night."""
    path = _clock_of_running(home)
    now = clockfile.now(path.clock_file)
    if not _OPENS <= now.astimezone(UTC).hour < _CLOSES:
        day = now + timedelta(days=now.astimezone(UTC).hour >= _CLOSES)
        clockfile.set_to(path.clock_file, day.astimezone(UTC).replace(hour=_OPENS, minute=30, second=0, microsecond=0))
    _show(path)


@clock.command()
@fails_plainly
def advance(
    span: Annotated[str, typer.Argument(help="A span such as 26h, 90m or 1d12h.")], home: HomeOption = None
) -> None:
    """Move the stack's clock forward; back, only `at` moves it."""
    path = _clock_of_running(home)
    clockfile.advance(path.clock_file, clockfile.parse_span(span))
    _show(path)


@clock.command()
@fails_plainly
def show(home: HomeOption = None) -> None:
    """Print the time as the stack sees it."""
    _show(_clock_of_running(home))


def _clock_of_running(home: HomeOption) -> Home:
    found = Home.at(home)
    if launch.running(found) is None:
        raise NotRunningError(f"expected a running stack in {found.root}, found none. Start one with `fairpool dev`.")
    return found


def _show(home: Home) -> None:
    out.print(f"{clockfile.now(home.clock_file).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")


def _say_how_often_employers_are_told() -> None:
    length = os.environ.get(services.TICK, services.SHORT_TICKS[services.TICK])
    warn(
        f"for this machine alone: employers are told every {length} ({services.TICK}) what came of others' acts, so that you need "
        "not wait; on a network it is once a day, since each time tells them more of when people did what. And each may make 1,000 "
        "pools a day (FAIRPOOL_POOLS_ASKED_PER_DAY); on a network it is 40"
    )


def _in_background(options: stack.Options, began: float, *, seeds: bool) -> None:
    home, progress = Home(options.home), Progress()
    try:
        started = launch.start(options, progress.show)
    finally:
        progress.end()
    for line in started.said:
        warn(line)
    _welcome(home, devfile.load(home.dev_file), began, stop="fairpool down", seeds=seeds)


async def _in_foreground(options: stack.Options, began: float, *, seeds: bool) -> None:
    home, progress = Home(options.home), Progress()
    seeding: set[asyncio.Task[None]] = set()

    def ready(dev: DevFile | None) -> None:
        progress.end()
        watching.cancel()
        if dev is not None:
            _welcome(home, dev, began, stop="Ctrl-C", seeds=seeds)
            if seeds:
                seeding.add(asyncio.create_task(_seed(home)))

    watching = asyncio.create_task(_watch_start(home, progress))
    try:
        await stack.run(options, warn, ready)
    finally:
        for task in (watching, *seeding):
            task.cancel()
        progress.end()
    out.print("stopped")


async def _seed(home: Home) -> None:
    """What keeps it from being done is said, and the stack goes on."""
    try:
        out.print(
            in_words(await sow(devfile.load(home.dev_file), home, console=Console(highlight=False, soft_wrap=True)))
        )
    except StackError as error:
        warn(f"no people were invented: {error}")


async def _watch_start(home: Home, progress: Progress) -> None:
    while True:
        if found := state.read(home):
            progress.show(found)
        await asyncio.sleep(_LOOK_SECONDS)


def _welcome(home: Home, dev: DevFile, began: float, *, stop: str, seeds: bool) -> None:
    employer = dev.employers[0]
    rows = [
        (f"ready in {time.monotonic() - began:.1f} s", f"stop with {stop}; state: fairpool status; logs: {home.logs}"),
        ("join page", f"{dev.services.signup}/join"),
        ("caught emails", dev.mail or "sent to the relay that FAIRPOOL_SMTP names"),
        ("API pages", " ".join(f"{url}/docs" for url in dev.services.model_dump().values())),
        ("keys, addresses", str(home.dev_file)),
        ("people", _SEEDING if seeds else _NO_PEOPLE),
        (
            "try",
            f"curl -H 'Authorization: Bearer {employer.key}' '{dev.services.pool_matching}/v1/occupations?q=nurse'",
        ),
    ]
    out.print(table(rows))
