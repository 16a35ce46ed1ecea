"""What consent asks of the outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.consent.model import Entry, Present


@dataclass(frozen=True, slots=True)
class Employer:
    """An employer of the network, as people read its name."""

    id: str
    name: str


class Consents(Protocol):
    """Everyone's answers, inside one transaction; what is locked stays locked until its end."""

    @property
    def at(self) -> datetime:
        """The time of the transaction."""

    async def register(self, candidates: Sequence[str]) -> None:
        """A row at version 0 for whoever has none."""

    async def read(self, candidate: str) -> Present:
        """The present state; of somebody unknown, version 0."""

    async def lock(self, candidate: str) -> Present:
        """The present state, made if there was none, which nobody else changes until the transaction ends."""

    async def append(self, entry: Entry) -> Present:
        """Writes state, leaf, opening, receipt and event, all or none; the row must be locked."""

    async def receipt(self, receipt: str) -> Mapping[str, Any] | None:
        """The receipt with the opening of its leaf, if that was not shredded; None when there is no such receipt."""


class Directory(Protocol):
    """The employers of the network."""

    def employers(self) -> Sequence[Employer]:
        """All of them, by name."""

    def name(self, employer: str) -> str | None:
        """What this employer is called; None when it is not in the network."""
