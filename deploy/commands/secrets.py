"""`fairpool secrets`: everything secret that a deployment in containers needs, made once."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy import kafka_secrets
from deploy.commands.terminal import fails_plainly, out
from deploy.local.endpoints import ROLES
from deploy.local.errors import StackError
from deploy.local.secrets import SEAL_KEYS, fresh_keys, password, seal_key, signing_keys

app = typer.Typer(help="Secrets of a deployment in containers.", no_args_is_help=True)

_HEAD = """\
# Every secret of this deployment, made by `fairpool secrets new`. Keep a copy in a safe place, apart from the backups:
# without FAIRPOOL_VAULT_KEY nobody's address can be read again. What else can be set here: docs/running.md.
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
