"""`fairpool demo`: the main job, played on a running stack or on one of its own."""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.commands.terminal import BrokerOption, HomeOption, JsonOption, err, fails_plainly
from deploy.demo.steps import Steps
from deploy.demo.story import play
from deploy.demo.stuck import plainly
from deploy.demo.summary import Summary, show
from deploy.local import devfile, launch, postgres
from deploy.local.broker import Broker
from deploy.local.errors import NotRunningError
from deploy.local.home import Home
from deploy.local.ports import Ports
from deploy.local.stack import Options


@fails_plainly
def demo(
    *,
    own_stack: Annotated[
        bool, typer.Option("--own-stack", help="Start a stack on free ports for this, and leave nothing running.")
    ] = False,
    people: Annotated[int, typer.Option(min=20, max=900, help="How many invented candidates.")] = 300,
    broker: BrokerOption = Broker.EMBEDDED,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play the whole story with invented people and check every promise.

    Exit codes: 0 every promise was kept, 1 one was broken (or another error), 8 nothing runs, 9 the story got stuck.
    """
    console = Console(highlight=False, soft_wrap=True, stderr=as_json)
    steps = Steps(console)
    with _stack(Home.at(home), steps, broker if own_stack else None) as place:
        summary = _play(place, people, steps)
        show(console, summary)
        if as_json:
            sys.stdout.write(json.dumps(summary.as_json(), indent=2) + "\n")
        if not summary.kept:
            err.print(f"error: a promise was broken; logs: {place.logs}")
            raise typer.Exit(1)
    console.print(f"\n[bold]Every promise was kept.[/bold] {len(summary.promises)} checked.")


def _play(place: Home, people: int, steps: Steps) -> Summary:
    with plainly(place.logs):
        return asyncio.run(play(devfile.load(place.dev_file), place, people=people, steps=steps))


def _is_elsewhere(home: Home) -> bool:
    """Whether `fairpool tenants demo` wrote this home's addresses, of a stack that has no supervisor here."""
    return home.dev_file.exists() and not home.state_file.exists()


@contextmanager
def _stack(home: Home, steps: Steps, own: Broker | None) -> Iterator[Home]:
    if own is None:
        if launch.running(home) is None and not _is_elsewhere(home):
            raise NotRunningError(
                f"expected a running stack in {home.root}, found none. "
                f"Start one with `fairpool dev --detach`, or play on one of its own: `fairpool demo --own-stack`."
            )
        yield home
        return
    place = Home(Path(tempfile.mkdtemp(prefix="fairpool-demo-")))
    place.root.chmod(0o755)  # PostgreSQL runs as another user when we are root
    kept = False
    try:
        with steps.step("A stack of its own starts: Kafka, PostgreSQL, Redis, mail, services") as step:
            launch.start(
                Options(home=place.root, ports=Ports.free(), broker=own, ends_with_caller=True),
                lambda state: step.say(f"waiting for {', '.join(state.waiting_for()) or 'topics and tenants'}"),
            )
            step.say("ready")
        yield place
    except BaseException:
        kept = True  # for whoever wants to see why
        raise
    finally:
        with steps.step("The stack stops"):
            launch.stop(place)
            postgres.forget(place)
        if not kept:
            shutil.rmtree(place.root)
