"""Slow hashes beside a loop that serves: in two threads, which get a processor after everything else of this machine."""

import asyncio
import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

from services.signup.vault.addresses import slow_hash

_THREADS = 2
_NICE = 10
"""A tenth of what the loop gets where both want the same core, and all of it where nobody else does."""


def _give_way() -> None:
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):  # Linux knows priorities of threads; elsewhere they stay as they are
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, max(os.getpriority(os.PRIO_PROCESS, thread), _NICE))


_HASHING = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="slow-hash", initializer=_give_way)


async def hashed_slowly(mail: str, blind_index_key: bytes) -> bytes:
    """`slow_hash`, while the loop goes on: OpenSSL computes it without Python's lock."""
    return await asyncio.get_running_loop().run_in_executor(_HASHING, slow_hash, mail, blind_index_key)
