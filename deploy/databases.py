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

ADMINISTRATOR = "FAIRPOOL_POSTGRES_ADMINISTRATOR"
_CONNECT_WITHIN = 10.0
_ANSWERS_WITHIN = 60.0


def variable(service: str) -> str:
    """The setting that names this service's database."""
    return f"FAIRPOOL_{service.upper()}_DATABASE"


def reachable(home: Home) -> list[str]:
    """The services whose databases the environment names (in a container: its own), else all of the running local stack."""
    return [service for service in ROLES if os.environ.get(variable(service))] or list(ROLES)


def is_given(service: str) -> bool:
    """Whether the environment names this service's database; else it is the running local stack's."""
    return bool(os.environ.get(variable(service)))


def administrator(service: str, home: Home, database: str) -> str:
    """An administrator's DSN of a database beside this service's own: FAIRPOOL_POSTGRES_ADMINISTRATOR says who, or the local stack does."""
    given = os.environ.get(ADMINISTRATOR) if is_given(service) else dsn(service, home)
    if given:
        return urlunsplit(urlsplit(given)._replace(path=f"/{database}"))
    raise StackError(
        f"expected {ADMINISTRATOR} in the environment, the address of the same PostgreSQL for one who may make databases there "
        f"(postgresql://postgres:...@host:5432/postgres), found none: {service}'s own role can neither dump the ledger nor make a database."
    )


def name(service: str, home: Home) -> str:
    """What the service's database is called; the role that it runs as has the same name."""
    return urlsplit(dsn(service, home)).path.removeprefix("/")


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
