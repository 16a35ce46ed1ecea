"""People, their records, claims, proposals and invitations, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType
from typing import Protocol

from services.signup.model.invitations import Asked, Lapse, PastInvitations, ToInvite
from services.signup.model.people import Record
from services.signup.model.provenance import ValueOrigin
from services.signup.model.records import Claim, Picture, Proposal, Proposed, Showing, Stub
from services.signup.model.reports import KeptReport
from services.signup.vault.hashing import Prefix, SlowHash, Suspected
from services.signup.vault.sealing import SealedIdentity
from shared.contracts.base import Event

INVITATIONS, SHOWINGS = "invitations", "showings"
"""Queues of work, of which each key is a candidate."""
LANES = (0, 1)
"""Of invitations: who joins waits at the page, and never behind those of whom a vendor tells."""
MOST_PROPOSALS = 20
"""Kept of one person: a page that somebody reads."""


class Store(Protocol):
    """The vault and its surroundings, inside one transaction."""

    @property
    def at(self) -> datetime:
        """The time of the unit of work."""

    @property
    def outbox_ids(self) -> Sequence[int]:
        """Of what was published, once the transaction is over."""

    def publish(self, event: Event, *, id: str | None = None) -> None:
        """The event leaves when the transaction commits."""

    async def intake_keys(self, days: Iterable[date]) -> Mapping[date, bytes]:
        """The keys of these days; a destroyed one is missing."""

    async def register(self, stubs: Sequence[Stub]) -> set[str]:
        """Keeps those whose address nobody has; returns their candidates."""

    async def hold(self, records: Sequence[Record]) -> None:
        """Whoever else handles one of these records waits until the transaction is over, also while nobody knows it."""

    async def look_up(
        self,
        records: Sequence[Record],
        blind_indexes: Sequence[bytes],
        older: Mapping[bytes, bytes] = MappingProxyType({}),
    ) -> Picture:
        """Everybody whom these records or addresses are of, locked until the transaction is over.

        With the deletions that these records had within the day, as far as they are kept. `older` says of what an older key
        made of a mailbox what the first makes of it: by that they are found as well, and under this they are in the picture.
        """

    async def save_identities(self, identities: Sequence[SealedIdentity]) -> None:
        """Into the vault."""

    async def save_claims(self, claims: Sequence[Claim]) -> None:
        """A record claims one person; an earlier claim of the same record is replaced."""

    async def remove_claims(self, records: Sequence[Record]) -> None:
        """Forget them."""

    async def save_proposals(self, told: Sequence[Proposal]) -> None:
        """One for each claim, in place of an earlier one; it waits for its answer unless it says what was answered before.

        Of one person at most `MOST_PROPOSALS` are kept: each vendor's newest before any vendor's second.
        """

    async def proposals(self, candidate: str) -> Sequence[Proposed]:
        """The newest first."""

    async def answer_proposals(self, candidate: str, told_until: datetime) -> None:
        """Whatever was told of this person by then counts as answered."""

    async def answer_proposal(self, candidate: str, record: Record) -> None:
        """What this record tells of the person counts as answered."""

    async def deny(self, candidate: str, record: Record) -> None:
        """The record's claim on this person ends, with what it proposes; as long as they are known it is not of them."""

    async def origins(self, candidate: str) -> Sequence[ValueOrigin]:
        """Of each value of the profile as it was saved last; none of one that was saved before they were kept."""

    async def save_origins(self, candidate: str, origins: Sequence[ValueOrigin]) -> None:
        """In place of those before."""

    async def note_times(self, times: Mapping[Record, datetime]) -> None:
        """The vendor's own time of what was taken of a claimed record; an earlier one changes nothing."""

    async def hand_over(self, merged: Mapping[Record, Record]) -> None:
        """Each record's claim and proposal become the other's, unless that has its own; the record itself is forgotten."""

    async def keep(self, reports: Sequence[KeptReport]) -> None:
        """As they came, one of each kind for a record and employer: the later one, by the vendor's clock where it says."""

    async def take_kept(self, records: Sequence[Record]) -> Sequence[KeptReport]:
        """What was kept of these records for a day at most, taken out, in the order in which it happened or came.

        A deletion that has counted stays.
        """

    async def count_deletions(self, records: Sequence[tuple[Record, str]]) -> None:
        """What is kept of the deletions of these records and employers has counted: it is only remembered from now on."""

    async def forget_told_before(self, deleted: Mapping[tuple[Record, str], datetime | None]) -> None:
        """What is kept of these records and employers, but for deletions: all, or what is no later by the vendor's clock."""

    async def release(self, *, limit: int) -> Sequence[KeptReport]:
        """What waited for somebody who does not lapse any more, taken out."""

    async def forget_kept(self, before: datetime, *, limit: int) -> int:
        """What was kept before that and nobody came for; how many."""

    async def lapse_unclaimed(self, candidates: Sequence[str]) -> Sequence[Lapse]:
        """Those of them who are stubs without any claim, and now lapse."""

    async def lapse_expired(self, *, limit: int) -> Sequence[Lapse]:
        """Stubs whose time is over, the oldest first, who now lapse; passes over what another process holds."""

    async def ask_again(self, before: datetime, *, limit: int) -> Sequence[Lapse]:
        """Who lapses and was asked about last before then: they count as asked about now."""

    async def erase_lapsed(self, candidates: Sequence[str]) -> Sequence[str]:
        """Those of them who lapse and did not confirm, erased: rows and keys go, the key's topic gets a tombstone."""

    async def ask_to_invite(self, candidates: Mapping[str, str]) -> None:
        """They are to be invited; by candidate, the vendor who told of them. Those of the join page go first, others by turns."""

    async def prolong(self, candidates: Sequence[str], until: datetime) -> None:
        """Stubs are kept until then."""

    async def showing(self, candidate: str) -> Showing | None:
        """As it is now, not locked; None for whoever is erased."""

    async def showings(self, candidates: Sequence[str]) -> Mapping[str, Showing]:
        """By candidate, locked until the transaction is over; whoever is erased is missing."""

    async def missed_showings(self, before: datetime, *, limit: int) -> Sequence[str]:
        """Some who were to be looked at again before then, and whom nobody has to look at."""

    def look_at(self, candidates: Sequence[str]) -> None:
        """They are to be looked at now."""

    async def save_showings(self, showings: Sequence[Showing]) -> None:
        """As decided; each is looked at again at its time."""

    async def to_invite(self, asked: Sequence[Asked]) -> Sequence[ToInvite]:
        """Those of them who may still be invited, by the order in which they were asked for."""

    async def identities(self, candidates: Sequence[str]) -> Mapping[str, SealedIdentity]:
        """The sealed rows by candidate."""

    async def past_invitations(self, slow_hashes: Sequence[bytes]) -> Mapping[bytes, PastInvitations]:
        """By slow hash; a mailbox that was never invited, nor refused to be, is missing."""

    async def note_profile_change(self, candidate: str) -> None:
        """Of a profile that was kept before: the person is to be told of it."""

    async def take_profiles_to_tell(self, before: datetime, *, limit: int) -> Mapping[str, datetime]:
        """Whose profile was changed, and when last; not who was told of it after `before`. They count as told now."""

    async def suspected(self, prefixes: Sequence[Prefix]) -> Suspected:
        """Which of these prefixes are kept, so that nothing slow is computed for the others."""

    async def note_invitations(self, slow_hashes: Sequence[SlowHash]) -> None:
        """One more for each."""

    async def forget_intake(self, before: datetime, *, limit: int) -> int:
        """Destroys intake keys of days before, and what is kept to recognize repeated events, the oldest first.

        Up to so many of each kind; the most that went of one kind.
        """

    async def forget_certificates(self, *, limit: int) -> int:
        """Removes certificates that can't be read any more, the oldest first; how many."""

    async def forget_refusals(self, *, limit: int) -> int:
        """Removes what was said with links that have expired, the oldest first; how many."""

    async def forget_page_requests(self, before: datetime, *, origins_before: datetime, limit: int) -> int:
        """Which addresses were asked to be mailed before that, and from which networks; the most that went of the two."""
