"""`fairpool feeds`: what employers read on, after a database was restored."""

import json
from typing import Annotated

import typer

from deploy.commands.operator import Operator
from deploy.commands.terminal import HomeOption, JsonOption, YesOption, fails_plainly, must_be_sure, out, plain
from deploy.local import devfile
from deploy.local.home import Home

app = typer.Typer(
    help="The feeds that employers read: updates of their pools, states of their outreach.", no_args_is_help=True
)


@app.callback()
def feeds() -> None:
    """Keeps `restart` a command of its own."""


@app.command()
@fails_plainly
def restart(
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="Address of pool-matching or of the gateway; may be given twice. Else both of the local stack."
        ),
    ] = None,
    home: HomeOption = None,
    *,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make every cursor void that a feed gave out: readers are told 410 and begin anew.

    Only after a restore that the services can't see (docs/running.md says which). Exit codes: 0 done, 1 not.
    """
    found = Home.at(home)
    operator = Operator(found)
    if not at:
        services = devfile.load(found.dev_file).services
        at = [services.pool_matching, services.outreach_gateway]
    must_be_sure(f"Void every cursor that {' and '.join(map(plain, at))} gave out? Every reader begins anew", yes=yes)
    restarted = {url: operator.ask("POST", f"{url.rstrip('/')}/v1/feeds/restart")["feeds"] for url in at}
    if as_json:
        out.print(json.dumps(restarted))
        return
    for url, names in restarted.items():
        out.print(f"{url}: {', '.join(names)} began anew; cursors given out before are void.")
