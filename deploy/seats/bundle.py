"""The bundle: a ZIP of files of lines, and a manifest with the hash of each, signed by the operator."""

import hashlib
import os
import tempfile
import zipfile
import zlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.local.errors import StackError
from deploy.seats.reading import FILES, Seat
from shared.contracts.base import rfc3339
from shared.contracts.operator import TenantChangedV1
from shared.security.documents import DocumentReader, DocumentSigner

KIND = "fairpool-seat-bundle"
SIGNED = "bundle.jws"
_LONGEST_MANIFEST = 100_000
_AT_ONCE = 1 << 20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Employer(_Part):
    """Whose seat it is."""

    id: str
    name: str
    domain: str | None
    reply_to: str | None


class Positions(_Part):
    """The cursors that the files are as of: to go on from as `after`."""

    updates: str
    outreach: str


class File(_Part):
    """What a file holds."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    lines: Annotated[int, Field(ge=0)]
    bytes: Annotated[int, Field(ge=0)]


class Manifest(_Part):
    """What is signed."""

    format: Literal[1]
    made_at: str
    employer: Employer
    vendor: str | None
    standing: str
    policy: str
    positions: Positions
    files: dict[str, File]


def manifest_of(tenant: TenantChangedV1, seat: Seat, *, at: datetime) -> Manifest:
    """What is said of the seat and of the files."""
    return Manifest(
        format=1,
        made_at=rfc3339(at),
        employer=Employer(id=tenant.tenant, name=tenant.name, domain=tenant.domain, reply_to=tenant.reply_to),
        vendor=tenant.vendor,
        standing=tenant.standing,
        policy=seat.policy,
        positions=Positions(updates=seat.updates, outreach=seat.outreach),
        files={name: File(sha256=told.sha256, lines=told.lines, bytes=told.bytes) for name, told in seat.files.items()},
    )


def write(path: Path, folder: Path, manifest: Manifest, signer: DocumentSigner) -> None:
    """Puts the folder's files and the signed manifest into one file, whole or not at all; only its user may read it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as raw, zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr(SIGNED, signer.sign(KIND, manifest.model_dump(mode="json")) + "\n")
            for file in FILES:
                bundle.write(folder / file, file)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def verify(path: Path, reader: DocumentReader) -> Manifest:
    """What the bundle says, once its signature holds and each file is what was signed; StackError that says what is wrong."""
    try:
        with zipfile.ZipFile(path) as bundle:
            manifest = _manifest(bundle, reader)
            names = sorted(one.filename for one in bundle.infolist())
            if names != sorted([SIGNED, *manifest.files]) or sorted(manifest.files) != sorted(FILES):
                raise StackError(f"expected {', '.join(FILES)} and {SIGNED} in the bundle, found other files.")
            for name, told in manifest.files.items():
                if _found(bundle, name, most=told.bytes) != told:
                    raise StackError(f"expected {name} as it was signed, found another one: don't use this bundle.")
    except (zipfile.BadZipFile, KeyError, OSError, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise StackError(
            f"expected a bundle in {path}, found a file that can't be read ({type(error).__name__})."
        ) from error
    return manifest


def _manifest(bundle: zipfile.ZipFile, reader: DocumentReader) -> Manifest:
    if bundle.getinfo(SIGNED).file_size > _LONGEST_MANIFEST:
        raise StackError(f"expected a manifest of at most {_LONGEST_MANIFEST} bytes, found a longer one.")
    with bundle.open(SIGNED) as file:
        text = file.read(_LONGEST_MANIFEST).decode("ascii", "replace")
    said = reader.read(KIND, text)
    if said is None:
        raise StackError("expected a bundle that the operator signed, found one that none of the keys given here did.")
    try:
        return Manifest.model_validate(said)
    except ValidationError as error:
        raise StackError("expected a manifest of format 1, found another one: take a newer version.") from error


def _found(bundle: zipfile.ZipFile, name: str, *, most: int) -> File:
    """No more is unpacked than was signed, and one block."""
    digest, size, lines = hashlib.sha256(), 0, 0
    with bundle.open(name) as file:
        while size <= most and (block := file.read(_AT_ONCE)):
            digest.update(block)
            size += len(block)
            lines += block.count(b"\n")
    return File(sha256=digest.hexdigest(), lines=lines, bytes=size)
