"""The services' databases, as commands of an operator reach them."""

import os
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy.local import devfile
from deploy.local.endpoints import ROLES
from deploy.local.errors import NotRunningError, StackError
from deploy.local.home import Home
from shared.postgres.pool import Connection

R = TypeVar("R")

_CONNECT_WITHIN = 10.0
_ANSWERS_WITHIN = 60.0


def variable(service: str) -> str:
    """The setting that names this service's database."""
    return f"FAIRPOOL_{service.upper()}_DATABASE"


def reachable(home: Home) -> list[str]:
    """The services whose databases the environment names (in a container: its own), else all of the running local stack."""
    return [service for service in ROLES if os.environ.get(variable(service))] or list(ROLES)


def dsn(service: str, home: Home) -> str:
    """As the environment has it, as for the service itself; else the database of the running local stack."""
    if given := os.environ.get(variable(service)):
        return given
    try:
        administrator = devfile.load(home.dev_file).postgres
    except NotRunningError as error:
        raise NotRunningError(
            f"expected a running stack of `fairpool dev`, or {variable(service)} in the environment, found neither."
        ) from error
    if not administrator:
        raise StackError(f"expected {variable(service)} in the environment: this stack's databases are not its own.")
    return urlunsplit(urlsplit(administrator)._replace(path=f"/{service}"))


async def with_database(service: str, home: Home, work: Callable[[Connection], Awaitable[R]]) -> R:
    """What `work` gives on a connection to this service's database; StackError in plain words where it can't be asked."""
    where = dsn(service, home)
    try:
        connection = await asyncpg.connect(where, timeout=_CONNECT_WITHIN, command_timeout=_ANSWERS_WITHIN)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"expected {service}'s database to answer, found: {type(error).__name__}.") from error
    try:
        return await work(connection)
    except asyncpg.UndefinedTableError as error:
        raise StackError(
            f"expected {service}'s tables as of this version, found older ones: start {service} once, then try again."
        ) from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StackError(
            f"expected {service}'s database to take it, found: {type(error).__name__}. Nothing was changed."
        ) from error
    finally:
        await connection.close(timeout=5)
