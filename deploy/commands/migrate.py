"""`fairpool migrate`: the tables of each service, before a release and after it."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

import services
from deploy.commands.terminal import JsonOption, fails_plainly, out
from deploy.local.endpoints import ROLES
from deploy.local.errors import StackError
from shared.messaging.errors import FatalError, is_transient
from shared.postgres.migrate import PLUMBING
from shared.postgres.migrate import migrate as apply
from shared.postgres.migration_files import AFTER, BEFORE, Half
from shared.postgres.pool import close_pool, open_pool
from shared.settings import PREFIX

_SERVICES = Path(services.__path__[0])


@fails_plainly
def migrate(
    *,
    before: Annotated[bool, typer.Option("--before", help="Only what is applied before a release: it adds.")] = False,
    after: Annotated[
        bool, typer.Option("--after", help="Only what is applied when no process of the version before runs any more.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Apply what is missing to each database that FAIRPOOL_..._DATABASE names; both halves unless one is asked for.

    Again is harmless, and two at once take turns. Exit code 1 when a database does not answer or refuses a file.
    """
    if before and after:
        raise StackError("expected --before or --after, found both; without either, both halves are applied.")
    halves: Sequence[Half] = [BEFORE] if before else [AFTER] if after else [BEFORE, AFTER]
    databases = _databases()
    done: dict[str, Sequence[str]] = {}
    for service, dsn in databases.items():
        done[service] = _speak(service, dsn, halves)
        if not as_json:
            out.print("\n".join([f"applied {name}" for name in done[service]] or [f"{service}: nothing was missing"]))
    if as_json:
        out.print(json.dumps({"applied": {service: list(names) for service, names in done.items()}}))


def _databases() -> Mapping[str, str]:
    found = {role: os.environ.get(_variable(role)) for role in ROLES}
    given = {role: dsn for role, dsn in found.items() if dsn}
    if not given:
        raise StackError(f"expected at least one of {', '.join(map(_variable, ROLES))} in the environment, found none.")
    return given


def _variable(role: str) -> str:
    return f"{PREFIX}{role.upper()}_DATABASE"


def _speak(service: str, dsn: str, halves: Sequence[Half]) -> Sequence[str]:
    try:
        return asyncio.run(_migrate(service, dsn, halves))
    except FatalError as error:
        raise StackError(f"{service}: {error}") from error
    except Exception as error:
        if is_transient(error):
            raise StackError(
                f"expected a PostgreSQL that answers at {_variable(service)}, found: {type(error).__name__}. "
                "What was applied stays; run this again."
            ) from error
        if isinstance(error, asyncpg.PostgresError | ValueError | OSError):
            raise StackError(f"{service}: PostgreSQL refused: {type(error).__name__}: {error}") from error
        raise


async def _migrate(service: str, dsn: str, halves: Sequence[Half]) -> Sequence[str]:
    pool = await open_pool(dsn, name="fairpool-migrate", connections=1)
    try:
        return await apply(pool, PLUMBING, _SERVICES / service / "migrations", halves=halves)
    finally:
        await close_pool(pool)
