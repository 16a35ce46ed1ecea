"""`fairpool`: the one command line."""

import sys
from importlib.metadata import version
from typing import Annotated

import structlog
import typer

from deploy.commands import (
    backup,
    demo_tenants,
    dev,
    dlq,
    env,
    erase,
    erasures,
    feeds,
    logs,
    migrate,
    person,
    policy,
    seats,
    secrets,
    seed,
    sources,
    stack,
    status,
    tenants,
    titles,
    topics,
    vault,
    work,
)
from deploy.demo.command import demo

app = typer.Typer(
    help="Fairpool: a talent pool that candidates can trust. `fairpool dev` starts everything on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(dev.app, name="dev")
app.command()(status.status)
app.command()(stack.down)
app.command()(env.env)
tenants.app.command("demo")(demo_tenants.demo)
tenants.app.command("move")(seats.move)
tenants.app.command("bundle")(seats.bundle)
app.add_typer(tenants.app, name="tenants")
app.add_typer(sources.app, name="sources")
app.command()(person.person)
app.command()(erase.erase)
app.command()(erase.certificate)
app.command()(erasures.erasures)
app.command("operator-log")(person.operator_log)
app.command()(logs.logs)
app.add_typer(policy.app, name="policy")
app.add_typer(titles.app, name="titles")
app.add_typer(topics.app, name="topics")
app.command()(migrate.migrate)
app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(dlq.app, name="dlq")
app.add_typer(work.app, name="work")
app.add_typer(feeds.app, name="feeds")
app.add_typer(vault.app, name="vault")
app.add_typer(secrets.app, name="secrets")
app.command()(demo)
app.command()(seed.seed)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fairpool {version('fairpool')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Options of the whole command line."""


def main() -> None:
    """Run the command that the arguments name; what is logged on the way is no part of its result."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    app()
