"""Sessions as their person sees them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Spent:
    """A link that is spent for a session, by what it says: the same for the same link, however its token was written."""

    candidate: str
    hash: bytes
    until: datetime
    """When the link ends: until then it must not be spent again."""
    made_at: datetime | None = None
    """When the link was made; one from before a mailbox said no to a change of the person's email counts as spent."""


LinkState = Literal["good", "spent", "gone"]
"""`gone`: its person is no longer here."""


@dataclass(frozen=True, slots=True)
class Here:
    """Somebody who is signed in."""

    time_zone: str | None
    """In which they are told when something is (IANA); None where they never said."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One session that works."""

    name: str
    since: datetime
    until: datetime
    browser: str
