"""All that is held of a person, and taking it along."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from services.signup.model.exports import Export, Waiting
from services.signup.model.held import Held
from shared.contracts.consent import ExportAnsweredV1
from shared.contracts.signup import ExportReadyV1
from shared.security.words import KeyPair

EXPORTS = "exports"
"""Queue of work, of which each key is an export whose answer is whole."""


class HeldStore(Protocol):
    """What is shown to a person of themself."""

    async def held(self, candidate: str) -> Held | None:
        """All that is held of them, of each list the newest 200; None for whoever is erased."""

    async def words_key(self, candidate: str) -> KeyPair | None:
        """The pair that opens employers' words to them; None for whoever is erased."""


class Exports(Protocol):
    """What people take along, inside one transaction."""

    @property
    def at(self) -> datetime:
        """The time of the transaction."""

    async def hold(self, candidate: str) -> Sequence[Export] | None:
        """Theirs that are not forgotten yet, the newest first; nobody else starts one for them until the transaction ends.

        None for whoever is erased.
        """

    async def start(self, candidate: str, export: Export) -> None:
        """Keeps it with a fresh key pair, asks consent, and empties those before it; the person must be held."""

    async def latest(self, candidate: str) -> Export | None:
        """The newest of theirs that was neither replaced nor is over."""

    async def fetch(self, candidate: str) -> tuple[Export, bytes] | None:
        """The newest that is ready, and the zip; None where there is none, or the vault does not open it any more."""

    async def take(self, parts: Sequence[ExportAnsweredV1]) -> None:
        """Keeps parts of those that wait, each once; of an answer that is whole by that the queue `EXPORTS` hears."""

    async def waiting(self, export: str) -> Waiting | None:
        """One whose answer is whole, as it is to be made, held until the transaction ends; None where there is none to make."""

    async def held(self, candidate: str) -> Held | None:
        """As `HeldStore.held`."""

    async def finish(self, candidate: str, export: str, zipped: bytes, *, until: datetime) -> None:
        """Seals it to its person until then, and drops key and parts."""

    def say(self, event: ExportReadyV1) -> None:
        """Has the courier tell them."""

    async def drop_parts(self, export: str) -> None:
        """What came of consent can't be used: it is asked again at its time."""

    async def ask_again(self, before: datetime, *, limit: int) -> int:
        """Asks consent again about so many that were asked about last before then, and drops the parts that came so far."""

    async def forget(self, *, limit: int) -> int:
        """Forgets so many whose time is over; how many."""
