"""What consent asks of the outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.consent.model import (
    Attempt,
    Blocking,
    Choices,
    Door,
    Entry,
    Introduction,
    NamedEmployer,
    Present,
    What,
)
from shared.contracts.consent import LinkStatement, Purpose
from shared.facts import Fact

BLOCKS = "blocks"
"""Queue of work, of which each key is an employer that is to be blocked for those who named it."""


class Writes(Protocol):
    """A new state as it is written down: with its leaf, its opening and its receipt."""

    def __call__(
        self, present: Present, choices: Choices, at: datetime, door: Door, statement: LinkStatement | None = None
    ) -> Entry:
        """`statement`: signup's, of the link by which it was said, where it was one that can switch something on."""


@dataclass(frozen=True, slots=True)
class Employer:
    """An employer of the network, as people read its name."""

    id: str
    name: str
    """As people read it: with the verified domain beside it, where there is one."""


class Consents(Protocol):
    """Everyone's answers, inside one transaction; what is locked stays locked until its end."""

    @property
    def at(self) -> datetime:
        """The time of the transaction."""

    async def register(self, candidates: Sequence[str]) -> None:
        """A row at version 0 for whoever has none."""

    async def close_unanswered(self, candidates: Sequence[str]) -> Collection[str]:
        """Closes for good whoever never answered, and confirms it (`ErasureConfirmedV1`), again if it is asked again.

        They are returned. Of whoever did answer nothing is said: what they answered is on its way.
        """

    async def close(self, candidates: Sequence[str]) -> None:
        """Closes for good, whatever they answered, forgets what is kept of them, and confirms that (`ErasureSweptV1`)."""

    async def read(self, candidate: str) -> Present:
        """The present state; of somebody unknown, version 0."""

    async def lock(self, candidate: str) -> Present:
        """The present state, made if there was none, which nobody else changes until the transaction ends."""

    async def append(self, entry: Entry) -> Present:
        """Writes state, leaf, opening, receipt and event, all or none; the row must be locked."""

    async def receipt(self, receipt: str, candidate: str) -> Mapping[str, Any] | None:
        """The receipt with the opening of its leaf, if that was not shredded; None when this person has no such receipt."""

    async def introduce(self, introductions: Sequence[Introduction]) -> None:
        """Who told of whom; of several of one person the first stays, and of nobody who is closed anything."""

    async def introduction(self, candidate: str) -> Fact[Introduction]:
        """Who told of them first."""

    async def keep_employers(self, employers: Sequence[NamedEmployer], until: datetime) -> None:
        """What employers are found by, unless it is older than what is kept; one that is found by something else now is
        blocked for those who named it, and looked for until then: scheduled here, in the queue `BLOCKS`.
        """

    async def employers_named(self, keys: Collection[str]) -> Sequence[str]:
        """The employers that are found by any of these."""

    async def blocking(self, employer: str) -> Blocking | None:
        """What is left to be done of it, held until the transaction ends; None when it is blocked for all who named it."""

    async def who_named(self, blocking: Blocking, most: int) -> Sequence[Present]:
        """So many of those who named it and have not blocked it yet, each locked."""

    async def end_blocking(self, employer: str) -> None:
        """It is blocked for all who named it."""

    async def note_attempt(self, attempt: Attempt) -> None:
        """What a link was used for, in place of what it was used for before; what it stopped once stays noted."""

    async def attempt(self, link: bytes) -> Attempt | None:
        """What this link was used for; None when it was not."""

    async def attempts(self, candidate: str, most: int) -> Sequence[Attempt]:
        """What this person's links were used for, the latest first."""

    async def forget_attempts(self, most: int) -> int:
        """Forgets so many of links that have ended; tells how many there were."""

    async def note_change(
        self,
        candidate: str,
        what: What,
        employer: str | None = None,
        *,
        switched_on: Sequence[Purpose] = (),
        by_name: bool = False,
    ) -> None:
        """The person is to be told of it: at once, or a day after they were told last.

        Of several of one kind what each switched on is told, and else the last.
        """

    async def ask_to_stop(self, candidate: str, stopped: str | None) -> bool:
        """An email asks the person whether everyone is to stop, and tells of the employer that has; False, and none is sent,
        when one was within a day.
        """

    async def tell_changes(self, most: int) -> int:
        """Tells so many people what there is to tell by now, each in one notice; tells how many they were."""


class Directory(Protocol):
    """The employers of the network."""

    def employers(self) -> Sequence[Employer]:
        """All of them, by name."""

    def name(self, employer: str) -> Fact[str]:
        """What this employer, or a vendor who told of somebody, is called, also once it has left the network."""
