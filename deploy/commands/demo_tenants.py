"""`fairpool tenants demo`: makes a stack that `fairpool dev` did not start ready for the demo."""

import asyncio
import time
from datetime import timedelta
from typing import Annotated

import typer

from deploy import signing, tenants
from deploy.commands import kafka
from deploy.commands.terminal import HomeOption, fails_plainly, out
from deploy.local import clockfile, demo_tenants, launch, secrets
from deploy.local.devfile import DevFile
from deploy.local.endpoints import ROLES, Endpoints, secured
from deploy.local.errors import AlreadyRunningError, PartDidNotStartError
from deploy.local.home import Home
from deploy.local.ports import HOST, Ports

_USUAL = Ports()
_KNOWN_WITHIN = timedelta(seconds=15)
_PAUSE_SECONDS = 0.5


@fails_plainly
def demo(
    kafka_address: Annotated[
        str, typer.Option("--kafka", envvar="FAIRPOOL_KAFKA", help="Kafka as this machine reaches it.")
    ] = f"{HOST}:{_USUAL.kafka}",
    mail: Annotated[str, typer.Option(help="The mail catcher's URL.")] = f"http://{HOST}:{_USUAL.mail}",
    home: HomeOption = None,
) -> None:
    """Add the demo's vendors, employers and webhook sources to a running stack on the usual ports, and write dev.json.

    For containers (`docker compose`); `fairpool dev` does it itself. Again is harmless. Exit codes: 0 done, 4 the home
    belongs to a stack of `fairpool dev`, 5 signup does not answer.
    """
    place = Home.at(home)
    place.make()
    if launch.running(place):
        raise AlreadyRunningError(
            f"expected a home without a stack of `fairpool dev`, found one that runs in {place.root}. "
            f"Stop it with `fairpool down`, or name another home with --home DIR."
        )
    kept = secrets.load_or_create(
        place,
        roles=ROLES,
        tenant_keys=demo_tenants.fresh_keys,
        sources=tuple(source.source for source in demo_tenants.SOURCES),
    )
    where = Endpoints(
        kafka=kafka_address,
        redis="",
        smtp="",
        databases={},
        administrator="",
        local=frozenset({"mail"}),
        local_databases=(),
    )
    dev = demo_tenants.dev_file(_USUAL, where, kept).model_copy(update={"mail": mail})
    signer, _ = signing.of_commands(place)
    kafka.speak(tenants.publish(secured(kafka_address), demo_tenants.TENANTS, kept.tenant_keys, signer))
    asyncio.run(_add_sources(dev))
    if not place.clock_file.exists():
        clockfile.reset(place.clock_file)
    place.state_file.unlink(missing_ok=True)  # of a stack that was killed: this one is no child of ours
    dev.save(place)
    out.print(f"the demo's tenants and sources are there; addresses and keys: {place.dev_file}")


async def _add_sources(dev: DevFile) -> None:
    """Signup learns of a new operator from the topic: until it has, it refuses the operator's key."""
    give_up = time.monotonic() + _KNOWN_WITHIN.total_seconds()
    while True:
        try:
            await demo_tenants.add_sources(dev)
        except PartDidNotStartError:
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return
