"""What a backup is: a folder with a dump of each service's database, `manifest.json`, which says what they are, and `manifest.jws`,
the same signed by the operator. What is restored is loaded by an administrator of the server, so nobody else's word will do.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict

from deploy.local.errors import StackError
from shared.security.documents import DocumentReader, DocumentSigner

NAME, SIGNED = "manifest.json", "manifest.jws"
KIND = "fairpool-backup-manifest"
_LONGEST = 1 << 20
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


def write(folder: Path, made: Manifest, signer: DocumentSigner) -> None:
    """To be read, and signed; the last of a backup's files to be written."""
    said = made.model_dump(mode="json")
    for name, text in ((NAME, json.dumps(said, indent=1)), (SIGNED, signer.sign(KIND, said))):
        with private(folder / name) as file:
            file.write(text.encode() + b"\n")
            os.fsync(file.fileno())


def private(path: Path) -> BinaryIO:
    """A new file that only its user may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def read(folder: Path, believed: DocumentReader | None) -> Manifest:
    """The manifest of this backup; StackError when it is none, or was not signed by whom is believed (None: by nobody)."""
    try:
        clear = json.loads(_text(folder / NAME))
        said = clear if believed is None else _signed(folder, believed)
        if said != clear:
            raise StackError(
                f"expected {NAME} to say what the operator signed, found that somebody changed it. Don't restore from this backup before you "
                f"know who; if its dumps are as they were made, {SIGNED} says so: take the {NAME} out of it."
            )
        found = Manifest.model_validate(said)
    except (OSError, ValueError, RecursionError) as error:  # a ValidationError is a ValueError
        raise StackError(
            f"expected a backup of `fairpool backup` in {folder}, found no {NAME} that can be read."
        ) from error
    if found.version != 1:
        raise StackError(
            f"expected a backup of version 1, found {found.version}: restore it with the release that made it."
        )
    return found


def _signed(folder: Path, believed: DocumentReader) -> dict[str, object]:
    if not (folder / SIGNED).is_file():
        raise StackError(
            f"expected a backup that the operator signed, found no {SIGNED} in {folder}: it is of a release before backups were signed, or "
            "somebody else made it. Whoever made it can run whatever they like on the server. If you know that nobody but you could write "
            "there since it was made: --unsigned."
        )
    said = believed.read(KIND, _text(folder / SIGNED))
    if said is None:
        raise StackError(
            f"expected a backup that the operator signed, found {SIGNED} of a key that is not believed here, or changed. If the operator's "
            "key was exchanged since, give the public half of then with --key, or beside the present one in FAIRPOOL_VERIFY_KEYS "
            "(operator=OLD,operator=NEW); else take another backup."
        )
    return said


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_LONGEST).decode()


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
