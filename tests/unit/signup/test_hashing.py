"""Slow hashes beside a loop that serves."""

import os
import sys
import threading

import pytest

from services.signup.vault import hashing
from services.signup.vault.addresses import slow_hash

KEY = bytes(32)


async def test_the_hash_is_the_one_that_is_computed_at_once() -> None:
    assert await hashing.hashed_slowly("ana@example.org", KEY) == slow_hash("ana@example.org", KEY)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_its_threads_give_way_and_the_others_do_not() -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = priority()
    assert hashing._HASHING.submit(priority).result() == max(before, 10)
    assert priority() == before
