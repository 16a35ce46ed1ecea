"""Whether a dump is of a release that this one knows: by the files that were applied to it."""

from collections.abc import Sequence
from pathlib import Path

import services
from deploy.backup.manifest import Dump
from deploy.local.errors import StackError
from shared.postgres.migrate import PLUMBING
from shared.postgres.migration_files import read
from shared.postgres.pool import Connection

_SERVICES = Path(services.__path__[0])
_APPLIED = "SELECT name FROM migrations ORDER BY name"
_NAMED = 3


def must_be_old_enough(service: str, dump: Dump, made_by: str) -> None:
    """StackError, before anything is loaded, where more was applied to it than this release has."""
    if dump.migrations > (known := len(_known(service))):
        raise StackError(_newer(service, made_by, f"{dump.migrations} migrations where this release has {known}"))


async def missing(connection: Connection, service: str, made_by: str) -> Sequence[str]:
    """What this release has and the loaded dump lacks; StackError where the dump has what this release does not know."""
    applied, known = {row["name"] for row in await connection.fetch(_APPLIED)}, _known(service)
    if unknown := sorted(applied - set(known)):
        more = f" and {len(unknown) - _NAMED} more" if unknown[_NAMED:] else ""
        raise StackError(
            _newer(service, made_by, f"migrations that it does not know: {', '.join(unknown[:_NAMED])}{more}")
        )
    return [name for name in known if name not in applied]


def _known(service: str) -> Sequence[str]:
    return [one.name for folder in (PLUMBING, _SERVICES / service / "migrations") for one in read(folder)]


def _newer(service: str, made_by: str, found: str) -> str:
    return (
        f"expected a dump of {service} of this release or an older one, found {found}. Install the release that made it ({made_by}, or a newer "
        "one), `fairpool` and the services alike, and restore with that. Nothing was changed."
    )
