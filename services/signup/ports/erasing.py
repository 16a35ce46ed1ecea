"""Erasing a person, and which service has yet to confirm it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from services.signup.model.erasures import Erased, ErasureRecord, Sweep
from services.signup.model.operators import Outstanding
from services.signup.vault.index import Indexed


class Erasures(Protocol):
    """Which services have yet to confirm an erasure, inside one transaction."""

    @property
    def at(self) -> datetime:
        """The time of the transaction."""

    async def swept(self, told: Sequence[tuple[str, Sweep]]) -> None:
        """Services have erased what they kept of these people, by candidate, in any order, also again."""

    async def ask_again(self, *, first: timedelta, longest: timedelta, limit: int) -> int:
        """Tells of so many erasures again that a service has not confirmed and is to be asked for by now; how many.

        It is asked next after twice as long as before, from `first` on and up to `longest`; up to a half less, by chance.
        """

    async def outstanding(self, *, after: tuple[str, str] | None, limit: int) -> Sequence[Outstanding]:
        """What is outstanding after this candidate and service, in their order."""

    async def note_oldest(self) -> None:
        """Shows in the metrics since when each service owes one."""


class Erasing(Protocol):
    """An erasure that its person wished, and the certificate of it."""

    async def knows(self, candidate: str) -> bool:
        """Whether there is anything of them to erase."""

    async def worked_then(self, candidate: str, session: str) -> bool:
        """Whether this session worked when they were erased."""

    async def erase(self, candidate: str, opening: str | None = None, *, session: str | None = None) -> Erased | None:
        """Erases them now, whatever they answered: rows and keys go, every service is told, no vendor brings them back.

        Asked again, or twice at once, it gives the one erasure, under each opening; none given: a fresh one. At most 20 are given
        to each `session` that worked then, and 20 to all who ask by links. None for somebody whom nobody knows, or whom something
        else than their own wish ended, and for a session that had ended by then.
        """

    async def erase_mailbox(self, mailbox: Indexed, *, by: str, reason: str) -> Erased | None:
        """The same for whoever has this mailbox, by an operator; written down with the reason, not with the person."""

    async def record(self, opening: str) -> ErasureRecord | None:
        """What is known of the erasure, for 100 days."""
