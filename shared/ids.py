"""How new ids are made: none can be guessed, and those that tables are ordered by rise with time."""

import os
import re

import uuid_utils

from shared.security import encoding

_RANDOM_BYTES = 16
_CANDIDATE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def new_id(prefix: str) -> str:
    """An id that can't be guessed: `new_id("p")` gives `p_` and 22 characters of base64url (16 random bytes)."""
    return new_ids(prefix, 1)[0]


def new_ids(prefix: str, count: int) -> list[str]:
    """So many of them, for what there is much of: chance is asked of the kernel once."""
    if not (prefix.isascii() and prefix.isalpha() and prefix.islower()):
        raise ValueError(f"an id's prefix is lower-case letters without the underscore, not {prefix!r}")
    drawn = os.urandom(_RANDOM_BYTES * count)
    return [
        f"{prefix}_{encoding.encode(drawn[start : start + _RANDOM_BYTES])}"
        for start in range(0, len(drawn), _RANDOM_BYTES)
    ]


def new_candidate_id() -> str:
    """A UUID of version 7 (RFC 9562) as text: new rows land at the end of their index."""
    return str(uuid_utils.uuid7())


def is_candidate_id(text: str) -> bool:
    """Whether it is written as a candidate's id is: a UUID in lower case."""
    return _CANDIDATE.fullmatch(text) is not None


def event_id() -> str:
    """A CloudEvents `id`: a UUID of version 7 as text."""
    return str(uuid_utils.uuid7())
