"""Epoch keys as files of one directory, which no backup of the database holds."""

import asyncio
import contextlib
import os
import re
import secrets
from pathlib import Path

from services.signup.vault.epochs import KeeperAwayError, KeyGoneError
from shared.security.boxes import KEY_BYTES

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")


class FileKeeper:
    """`EpochKeeper`: one file a key, that only its user may read; it is there whole or not at all.

    Destroying a key removes the file. What a disk still holds of it then is the disk's matter: put the directory on an
    encrypted volume, since an SSD can't be made to overwrite.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def make(self, name: str, key: bytes) -> str:
        """The file's name; one that is there already stays as it is."""
        await asyncio.to_thread(self._make, name, key)
        return name

    async def open(self, reference: str) -> bytes:
        """What is in the file."""
        return await asyncio.to_thread(self._open, reference)

    async def destroy(self, reference: str) -> None:
        """Removes the file."""
        await asyncio.to_thread(self._destroy, reference)

    def _make(self, name: str, key: bytes) -> None:
        path = self._path(name)
        made = path.with_name(f".{name}.{secrets.token_hex(8)}")
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(key)
                    file.flush()
                    os.fsync(file.fileno())
                with contextlib.suppress(FileExistsError):
                    os.link(made, path)
            finally:
                made.unlink()
            self._sync()
        except OSError as error:
            raise KeeperAwayError(f"the directory of the vault's keys can't be written: {error.strerror}") from error

    def _open(self, name: str) -> bytes:
        try:
            if not self._directory.is_dir():  # a volume that is not mounted is away, and says nothing of its files
                raise KeeperAwayError("the directory of the vault's keys is not there")
            key = self._path(name).read_bytes()
        except FileNotFoundError:
            raise KeyGoneError(f"there is no key {name}") from None
        except OSError as error:
            raise KeeperAwayError(f"the directory of the vault's keys can't be read: {error.strerror}") from error
        if len(key) != KEY_BYTES:
            raise KeyGoneError(f"the file {name} holds no key")
        return key

    def _destroy(self, name: str) -> None:
        try:
            self._path(name).unlink(missing_ok=True)
            self._sync()
        except OSError as error:
            raise KeeperAwayError(f"the directory of the vault's keys can't be written: {error.strerror}") from error

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError("no name of an epoch's key")
        return self._directory / name

    def _sync(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
