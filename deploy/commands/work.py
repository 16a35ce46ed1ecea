"""`fairpool work`: work that is no record, was tried again and again, and was set aside."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from deploy import databases
from deploy.commands.terminal import HomeOption, JsonOption, YesOption, fails_plainly, must_be_sure, out, plain, table
from deploy.local.endpoints import ROLES
from deploy.local.errors import StackError
from deploy.local.home import Home
from shared.clock import Clock
from shared.runner import operator
from shared.runner.operator import SetAside

app = typer.Typer(
    help="Work that failed again and again and was set aside: due decisions, invitations, evaluations. It waits until it is replayed or closed.",
    no_args_is_help=True,
)
ServiceOption = Annotated[
    str | None, typer.Option("--service", metavar="NAME", help="Of this service only, such as outreach_gateway.")
]
QueueOption = Annotated[str | None, typer.Option("--queue", metavar="NAME", help="Of this queue only, such as due.")]
ServiceArgument = Annotated[str, typer.Argument(help="The service, such as outreach_gateway.")]
QueueArgument = Annotated[str, typer.Argument(help="The queue, from `fairpool work list`.")]
KeyOption = Annotated[
    str | None, typer.Option("--key", metavar="ID", help="This one alone; `replay` takes all of the queue without it.")
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="The oldest N at most.")]


@app.command("list")
@fails_plainly
def list_work(
    service: ServiceOption = None, queue: QueueOption = None, home: HomeOption = None, *, as_json: JsonOption = False
) -> None:
    """Each queue of which something was set aside: how much, since when. With --queue: each row, with its reason."""
    where = Home.at(home)
    services = [_service(service)] if service else databases.reachable(where)
    if queue is None:
        piles = asyncio.run(_piles(services, where))
        if as_json:
            out.print(json.dumps([{"service": a, "queue": b, "waiting": c, "oldest": d} for a, b, c, d in piles]))
        elif piles:
            head = ("SERVICE", "QUEUE", "WAITING", "OLDEST")
            out.print(table([head, *((a, b, str(c), d) for a, b, c, d in piles)]))
        else:
            out.print("no work was set aside")
        return
    rows = asyncio.run(_rows(services, where, queue))
    if as_json:
        out.print(json.dumps([{"service": one, **operator.as_values(row)} for one, row in rows]))
    elif rows:
        columns = ("SERVICE", "QUEUE", "KEY", "ATTEMPTS", "AT", "REASON")
        out.print(table([columns, *((one, *map(_shown, operator.as_values(row).values())) for one, row in rows)]))
    else:
        out.print("no work was set aside")


@app.command()
@fails_plainly
def show(
    service: ServiceArgument,
    queue: QueueArgument,
    key: Annotated[str, typer.Argument(help="Its key, from `fairpool work list --queue`.")],
    home: HomeOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """One row that was set aside: when, why, after how many attempts, and the ids that it has with it."""
    found = asyncio.run(
        databases.with_database(_service(service), Home.at(home), lambda sql: operator.listed(sql, queue, key))
    )
    _must_be_there(len(found), queue, key)
    values = {"service": service, **operator.as_values(found[0]), "payload": json.loads(found[0].payload or "null")}
    if as_json:
        out.print(json.dumps(values))
        return
    for name, value in values.items():
        out.print(f"{name}: {_shown(value)}")


@app.command()
@fails_plainly
def replay(
    service: ServiceArgument,
    queue: QueueArgument,
    key: KeyOption = None,
    limit: LimitOption = None,
    home: HomeOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Have what was set aside tried again, as if for the first time. What fails again is set aside again."""
    where = Home.at(home)
    at = _now(where)
    done = asyncio.run(
        databases.with_database(_service(service), where, lambda sql: operator.replay(sql, queue, key, limit, at))
    )
    _must_be_there(done, queue, key)
    out.print(json.dumps({"replayed": done}) if as_json else _said(done, "is tried again", queue))


@app.command()
@fails_plainly
def close(
    service: ServiceArgument,
    queue: QueueArgument,
    key: KeyOption = None,
    limit: LimitOption = None,
    home: HomeOption = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="All of the queue; --key, --limit or this must be said.")
    ] = False,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Take what was set aside off the list: nothing is done for it, until something new has it scheduled again."""
    if key is None and limit is None and not everything:
        raise StackError("expected --key, --limit or --all, found neither: say what is closed.")
    if key is None:
        must_be_sure(f"Close what was set aside in {plain(queue)} without doing it?", yes=yes)
    done = asyncio.run(
        databases.with_database(_service(service), Home.at(home), lambda sql: operator.close(sql, queue, key, limit))
    )
    _must_be_there(done, queue, key)
    out.print(json.dumps({"closed": done}) if as_json else _said(done, "is closed; nothing was done for it", queue))


async def _piles(services: list[str], home: Home) -> list[tuple[str, str, int, str]]:
    found: list[tuple[str, str, int, str]] = []
    for service in services:
        piles = await databases.with_database(service, home, operator.piles)
        found += [(service, pile.queue, pile.waiting, pile.oldest.isoformat()) for pile in piles]
    return found


async def _rows(services: list[str], home: Home, queue: str) -> list[tuple[str, SetAside]]:
    found = []
    for service in services:
        rows = await databases.with_database(service, home, lambda sql: operator.listed(sql, queue))
        found += [(service, row) for row in rows]
    return found


def _service(name: str) -> str:
    chosen = name.replace("-", "_")
    if chosen not in ROLES:
        raise StackError(f"expected one of {', '.join(ROLES)}, found {name!r}.")
    return chosen


def _now(home: Home) -> datetime:
    """The services' time: that of a local stack may have been moved."""
    return Clock(home.clock_file).now() if home.clock_file.exists() else datetime.now(UTC)


def _must_be_there(done: int, queue: str, key: str | None) -> None:
    if key is not None and not done:
        raise StackError(
            f"expected {key!r} among what was set aside of {queue}, found nothing: see `fairpool work list`."
        )


def _said(done: int, what: str, queue: str) -> str:
    return f"{done} of {queue} {what}" if done else f"nothing of {queue} was set aside"


def _shown(value: object) -> str:
    return plain(str(value))
