"""What a backup is: a folder with a dump of each service's database, and `manifest.json`, which says what they are."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.local.errors import StackError

NAME = "manifest.json"
_PIECE = 1 << 20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Dump(_Part):
    """One service's database."""

    file: str
    bytes: int
    sha256: str
    taken_at: datetime
    """Before the dump began: all that was committed by then is in it."""
    migrations: int
    """How many files were applied to it."""
    offsets: Mapping[str, Mapping[str, tuple[int, ...]]]
    """By consumer group and topic, up to where each partition had been read, before the dump began. What is behind that is in the dump."""


class Manifest(_Part):
    """`manifest.json`: times, counts and places; nobody's name, id or key."""

    version: int = 1
    made_by: str
    erasures: tuple[int, ...]
    """By partition, how far the topic had come before any dump began: at a restore it can't have less."""
    services: Mapping[str, Dump]


def read(folder: Path) -> Manifest:
    """The manifest of this backup; StackError when it is none."""
    try:
        found = Manifest.model_validate_json((folder / NAME).read_bytes())
    except (OSError, ValidationError) as error:
        raise StackError(
            f"expected a backup of `fairpool backup` in {folder}, found no {NAME} that can be read."
        ) from error
    if found.version != 1:
        raise StackError(
            f"expected a backup of version 1, found {found.version}: restore it with the release that made it."
        )
    return found


def must_be_whole(folder: Path, dump: Dump) -> Path:
    """The dump's file; StackError unless it is byte for byte what was written."""
    path = folder / Path(dump.file).name
    if not path.is_file() or digest(path) != dump.sha256:
        raise StackError(f"expected {path} as it was made, found it missing or changed. Nothing was restored from it.")
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    made = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            made.update(piece)
    return made.hexdigest()
