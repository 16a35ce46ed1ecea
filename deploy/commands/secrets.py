"""`fairpool secrets`: everything secret that a deployment in containers needs, made once."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy import kafka_secrets
from deploy.commands.operator import Operator
from deploy.commands.terminal import HomeOption, JsonOption, fails_plainly, out, table
from deploy.local import devfile
from deploy.local.endpoints import ROLES
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.secrets import SEAL_KEYS, TICK_KEY, fresh_keys, password, seal_key, signing_keys, tick_key
from deploy.rotations import PEPPER, pepper, steps
from shared.settings import PREFIX

app = typer.Typer(help="Secrets of a deployment in containers.", no_args_is_help=True)

_HEAD = """\
# Every secret of this deployment, made by `fairpool secrets new`. Keep a copy in a safe place, apart from the backups.
# The keys of people's addresses are not here: signup makes them where FAIRPOOL_VAULT_KEYS says. What else can be set here: docs/running.md.
"""


@app.command()
@fails_plainly
def signing() -> None:
    """Print new keys to sign records with, and FAIRPOOL_VERIFY_KEYS: for a deployment that is older than these (`>> .env`)."""
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in signing_keys().items()))


@app.command()
@fails_plainly
def seals() -> None:
    """Print a new FAIRPOOL_CONSENT_SEAL_KEYS, of one key: for a deployment that is older than these (`>> .env`)."""
    sys.stdout.write(f"{SEAL_KEYS}={seal_key()}\n")


@app.command()
@fails_plainly
def tick() -> None:
    """Print a new FAIRPOOL_TICK_KEY: for a deployment that is older than it (`>> .env`)."""
    sys.stdout.write(f"{TICK_KEY}={tick_key()}\n")


@app.command()
@fails_plainly
def kafka() -> None:
    """Print new passwords for Kafka's users and a new certificate for compose's broker: for a deployment that has none (`>> .env`)."""
    values = kafka_secrets.passwords() | kafka_secrets.of_broker()
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in values.items()))


@app.command()
@fails_plainly
def new(
    file: Annotated[Path, typer.Argument(help="Where to; - prints them.", allow_dash=True)] = Path(".env"),
) -> None:
    """Write keys and passwords into a file that only its user may read; one that exists is never touched."""
    names = ("POSTGRES_PASSWORD", *(f"POSTGRES_{role.upper()}_PASSWORD" for role in ROLES), "VALKEY_PASSWORD")
    values = fresh_keys() | {name: password() for name in names} | kafka_secrets.passwords() | kafka_secrets.of_broker()
    text = _HEAD + "".join(f"{name}={value}\n" for name, value in values.items())
    if str(file) == "-":
        sys.stdout.write(text)
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise StackError(
            f"expected no {file} yet, found one, and it stays as it is: with other secrets nothing that was stored "
            f"could be read again. For a new deployment name another file: fairpool secrets new FILE"
        ) from error
    except OSError as error:
        raise StackError(f"expected a folder that this user can write for {file}, found: {error.strerror}.") from error
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
    out.print(f"wrote {len(values)} secrets to {file}")


FileOption = Annotated[Path, typer.Option(help="Where the secrets in force are, beside the environment.")]


@app.command("next")
@fails_plainly
def next_(name: Annotated[str, typer.Argument(help="The variable.")], file: FileOption = Path(".env")) -> None:
    """Print what to set to exchange a secret, step by step, with a new key; nothing is written or restarted."""
    for number, (what, variables) in enumerate(steps(name, _in_force(file)), 1):
        sys.stdout.write(f"# {number}. {what}\n" + "".join(f"{key}={value}\n" for key, value in variables.items()))


@app.command("pepper")
@fails_plainly
def pepper_(file: FileOption = Path(".env")) -> None:
    """Print the FAIRPOOL_INVITATION_PEPPER that is in use where none was set: for a deployment that is older than it (`>> .env`)."""
    sys.stdout.write(f"{PEPPER}={pepper(_in_force(file))}\n")


@app.command()
@fails_plainly
def status(
    at: Annotated[
        list[str] | None,
        typer.Option(help="Address of signup or of pool-matching; may be given twice. Else both of the local stack."),
    ] = None,
    home: HomeOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """How many rows another key than the first made: an older one may go when there are none. Exit code 0 also when there are some."""
    found = Home.at(home)
    operator = Operator(found)
    if not at:
        services = devfile.load(found.dev_file).services
        at = [services.signup, services.pool_matching]
    items = [item for url in at for item in operator.ask("GET", f"{url.rstrip('/')}/v1/secrets")["items"]]
    if as_json:
        out.print(json.dumps(items))
        return
    rows = [("SECRET", "FIRST KEY", "ROWS UNDER OTHERS")]
    rows += [(item["setting"], item["first"], _others(item["others"])) for item in items]
    out.print(table(rows))


def _others(others: list[dict[str, Any]]) -> str:
    return ", ".join(f"{one['key'] or 'unknown'}: {one['rows']}" for one in others) or "none"


def _in_force(file: Path) -> dict[str, str]:
    lines = file.read_text().splitlines() if file.is_file() else []
    kept = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return kept | {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
