"""Makes a backup: each service's database as it was at one moment, and how far its processes had read Kafka by then."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from deploy import databases
from deploy.backup import manifest, offsets, programs
from deploy.backup.manifest import Dump, Manifest
from deploy.commands.kafka import speak
from deploy.local.endpoints import ROLES
from deploy.local.errors import StackError
from deploy.local.home import Home
from shared.messaging.kafka import Kafka
from shared.postgres.pool import Connection
from shared.security.documents import DocumentSigner

Tell = Callable[[str, int], None]
"""The service whose database is being dumped, and how many bytes there are so far."""
_MIGRATIONS = "SELECT count(*) FROM migrations"
_WAITS = "SELECT count(*) FROM restored"


def backup(folder: Path, home: Home, kafka: Kafka, signer: DocumentSigner, tell: Tell) -> Manifest:
    """Writes the whole backup, or none: what is there under this name is whole, and signed. Only its user may read it.

    The services go on meanwhile. Each database is dumped as it was at one moment of its own.
    """
    if folder.exists():
        raise StackError(
            f"expected no {folder} yet, found one: a backup is never written over another. Name another folder."
        )
    fresh = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700, parents=True)
    try:
        made = Manifest(
            made_by=f"fairpool {version('fairpool')}",
            erasures=speak(offsets.end_of_erasures(kafka)),
            services=_dump_each(databases.reachable(home), fresh, home, kafka, tell),
        )
        manifest.write(fresh, made, signer)
        fresh.rename(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return made


def _dump_each(services: Sequence[str], folder: Path, home: Home, kafka: Kafka, tell: Tell) -> Mapping[str, Dump]:
    return {service: _dump(service, folder, home, kafka, tell) for service in services if service in ROLES}


def _dump(service: str, folder: Path, home: Home, kafka: Kafka, tell: Tell) -> Dump:
    dsn = databases.administrator(service, home, databases.name(service, home))
    program = programs.find("pg_dump", local=not databases.is_given(service))
    migrations = speak(databases.with_database(service, home, _state))
    path = folder / f"{service}.dump"
    manifest.private(path).close()  # before pg_dump writes into it, so that nobody else can ever read it
    read = speak(offsets.read(kafka, service))
    taken_at = datetime.now(UTC)
    programs.run(
        program, dsn, "--format=custom", "--no-unlogged-table-data", f"--file={path}",
        looks=lambda: tell(service, path.stat().st_size),
    )  # fmt: skip
    return Dump(
        file=path.name,
        bytes=path.stat().st_size,
        sha256=manifest.digest(path),
        taken_at=taken_at,
        migrations=migrations,
        offsets=read,
    )


async def _state(connection: Connection) -> int:
    if await connection.fetchval(_WAITS):
        raise StackError(
            "expected a database that is open, found one that was restored and has yet to replay who was erased: wait until "
            "its services are ready."
        )
    return int(await connection.fetchval(_MIGRATIONS))
