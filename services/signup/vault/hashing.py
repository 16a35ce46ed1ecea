"""Slow hashes of mailboxes: beside a loop that serves, and only where a keyed prefix does not say "surely not there".

They are computed in two threads, which get a processor after everything else of this machine.
"""

import asyncio
import contextlib
import hmac
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from services.signup.vault.addresses import mailbox, slow_hash
from services.signup.vault.index import key_id

PREFIX_BYTES = 3
"""Of 1,000,000 kept mailboxes, 6 in 100 strangers share their 24 bits with one (docs/decisions/0033 weighs that)."""
_THREADS = 2
_NICE = 10
"""A tenth of what the loop gets where both want the same core, and all of it where nobody else does."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """What one pepper makes of a mailbox in a microsecond; many mailboxes have the same."""

    pepper: bytes
    """The id of the pepper."""
    bits: int


@dataclass(frozen=True, slots=True)
class SlowHash:
    """A mailbox as it outlives an erasure."""

    value: bytes
    prefix: Prefix


@dataclass(frozen=True, slots=True)
class Suspected:
    """Which of the prefixes that were asked for are kept."""

    prefixes: frozenset[Prefix]
    unmarked: bool = False
    """There are hashes of before there were prefixes: any mailbox may be among those."""


class SlowHashes:
    """The first pepper makes what is new; what an older one made is found as well, since the erased can't be hashed anew."""

    def __init__(self, pepper: bytes, *older: bytes) -> None:
        self._peppers = {key_id(one): one for one in (pepper, *older)}

    def __repr__(self) -> str:
        return "SlowHashes(hidden)"

    @property
    def peppers(self) -> tuple[bytes, ...]:
        """Their ids, the first one's first."""
        return tuple(self._peppers)

    def prefixes(self, mail: str) -> tuple[Prefix, ...]:
        """The mailbox's under each pepper: what to ask for before anything slow is computed."""
        return tuple(Prefix(id, _prefix(mail, pepper)) for id, pepper in self._peppers.items())

    async def suspects(self, mail: str, suspected: Suspected) -> list[SlowHash]:
        """The hashes under which this mailbox may be kept; none, and nothing was computed: surely it is not."""
        return [
            await self._made(mail, prefix)
            for prefix in self.prefixes(mail)
            if suspected.unmarked or prefix in suspected.prefixes
        ]

    async def new(self, mail: str, computed: Sequence[SlowHash] = ()) -> SlowHash:
        """The hash to keep, if it is not among those that were computed already."""
        prefix = self.prefixes(mail)[0]
        return next((one for one in computed if one.prefix == prefix), None) or await self._made(mail, prefix)

    async def _made(self, mail: str, prefix: Prefix) -> SlowHash:
        return SlowHash(await hashed_slowly(mail, self._peppers[prefix.pepper]), prefix)


def _prefix(mail: str, pepper: bytes) -> int:
    digest = hmac.digest(pepper, b"fairpool invitations prefix " + mailbox(mail).encode(), "sha256")
    return int.from_bytes(digest[:PREFIX_BYTES])


def _give_way() -> None:
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):  # Linux knows priorities of threads; elsewhere they stay as they are
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, max(os.getpriority(os.PRIO_PROCESS, thread), _NICE))


_HASHING = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="slow-hash", initializer=_give_way)


async def hashed_slowly(mail: str, pepper: bytes) -> bytes:
    """`slow_hash`, while the loop goes on: OpenSSL computes it without Python's lock."""
    return await asyncio.get_running_loop().run_in_executor(_HASHING, slow_hash, mail, pepper)
