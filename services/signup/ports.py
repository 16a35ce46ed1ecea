"""What signup asks of the outside."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Literal, Protocol

from services.signup.decisions.asking import Joining
from services.signup.decisions.tenants import Refused
from services.signup.model.email_changes import Act, Begun, Outcome, Seen, Standing
from services.signup.model.erasures import Erased, ErasureRecord, Sweep
from services.signup.model.exports import Export, Waiting
from services.signup.model.held import Held
from services.signup.model.hooks import Ignored, ListedSource, Malformed, Reading, Source
from services.signup.model.invitations import Asked, Lapse, PastInvitations, Refusal, ToInvite
from services.signup.model.operators import LookedUp, OperatorAct, Outstanding
from services.signup.model.people import Change, Record
from services.signup.model.provenance import ValueOrigin
from services.signup.model.records import Claim, Picture, Proposal, Proposed, Showing, Stub
from services.signup.model.reports import KeptReport, Report, Taken
from services.signup.model.sessions import LinkState, SignedIn, Spent
from services.signup.model.vault import VaultSeen
from services.signup.vault.hashing import Prefix, SlowHash, Suspected
from services.signup.vault.index import BlindIndex, Indexed
from services.signup.vault.sealing import SealedIdentity
from shared.contracts.base import Event
from shared.contracts.consent import ExportAnsweredV1
from shared.contracts.operator import TenantChangedV1
from shared.contracts.signup import ExportReadyV1
from shared.i18n import Language
from shared.messaging.errors import TransientError
from shared.security.sessions import Session
from shared.security.words import KeyPair

KEPT = timedelta(days=1)
"""How long what is told of an unknown record is kept: as long as vendors repeat a webhook that failed."""
INVITATIONS, SHOWINGS = "invitations", "showings"
"""Queues of work, of which each key is a candidate."""
LANES = (0, 1)
"""Of invitations: who joins waits at the page, and never behind those of whom a vendor tells."""
MOST_PROPOSALS = 20
"""Kept of one person: a page that somebody reads."""


class Format(Protocol):
    """How one ATS writes its webhooks."""

    def has_signature(self, headers: Mapping[str, str]) -> bool:
        """Whether there is anything to verify; asked before the body is read."""

    def verify(self, headers: Mapping[str, str], raw: bytes, secret: str) -> bool:
        """Whether the body was signed with the secret; looked at before anything is parsed."""

    def event_id(self, headers: Mapping[str, str], raw: bytes) -> str:
        """What is the same when the event is sent again."""

    def read(self, raw: bytes, *, at: datetime) -> list[Reading] | Ignored | Malformed:
        """What the event says; `at` is now, for what is still going on."""


class Intake(Protocol):
    """The way onto the bus."""

    async def take(self, reports: Sequence[Report]) -> Taken:
        """Returns once Kafka has the reports; raises a transient error when it does not, or the database does not answer."""


class Backlog(Protocol):
    """What is kept of records that nobody knows yet."""

    async def full(self, vendor: str) -> frozenset[Change]:
        """The changes of which no more is taken of this tenant now, known record or not: too much of it is kept already."""

    def note_refused(self, reports: int) -> None:
        """So many were turned away for it."""


class SourceShutError(TransientError):
    """The secret of a webhook does not open: what is posted there waits until an operator has set another."""

    WAITS_FOR = "vault"
    MAY_END_THE_PROCESS = False


class Sources(Protocol):
    """The webhooks that an operator set up."""

    async def find(self, format_: str, source: str, *, fresh: bool = False) -> Source | None:
        """The webhook of this name; `fresh`: as the table has it now, though not more than once a second.

        SourceShutError where its secret does not open.
        """

    async def add(self, source: Source, *, by: str) -> Literal["added", "same", "different"]:
        """Keep it; never over another of the same name. `by`: the operator, for the log, as below."""

    async def listed(self) -> Sequence[ListedSource]:
        """All of them, by name."""

    async def rotate(self, format_: str, source: str, secret: str, *, previous_until: datetime, by: str) -> bool:
        """Another secret signs from now on, the present one until then as well, if it opens; whether there is such a webhook."""

    async def delete(self, format_: str, source: str, *, by: str) -> bool:
        """Forget it; whether it was there."""


DecideTenant = Callable[[Mapping[str, TenantChangedV1]], TenantChangedV1 | Refused]
"""An operator's act: everybody as they are now in, that tenant's next record out."""


class TenantBook(Protocol):
    """The tenants of the network, as an operator changes them."""

    async def act(self, decide: DecideTenant) -> TenantChangedV1 | Refused:
        """Decides on all that was said before; returns once every service can hear of it."""


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


class OperatorStore(Protocol):
    """What operators did, and what they look up."""

    async def acts(self, *, after: int, tenant: str | None, limit: int) -> Sequence[OperatorAct]:
        """What was done, oldest first."""

    async def look_up(self, mailbox: Indexed, *, by: str, reason: str) -> LookedUp | None:
        """Whoever has this mailbox; written down with the reason, also when there is nobody."""


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


class PageRequests(Protocol):
    """What the pages that mail somebody may do; no method tells whether an address is known."""

    async def join(self, mailbox: Indexed, origin: bytes) -> Joining:
        """Notes one more joining with this address, and says what it brings as `decisions.asking` has it."""

    async def may_join_from(self, origin: bytes) -> bool:
        """Counts one more joining from this network; False when there were enough this hour."""

    async def may_sign_in_from(self, origin: bytes) -> bool:
        """Counts one more request for a link from this network; False when there were enough this hour."""

    async def may_recover_from(self, origin: bytes) -> bool:
        """Counts one more try with a recovery code from this network; False when there were enough this hour."""

    async def sign_in(self, mailbox: Indexed, origin: bytes) -> None:
        """A sign-in email as `decisions.asking` has it, if a confirmed person has this address."""


class Sessions(Protocol):
    """Who is signed in, inside one transaction."""

    async def start(
        self, session: Session, spent: Spent, browser: str, *, language: Language | None = None
    ) -> LinkState:
        """Begins it if its person is here and the link was not spent before (`good`); of two at once one has it.

        `language`: in which they read from now on, if they chose it or nobody knew one; None leaves that as it is.
        """

    async def state_of(self, link: Spent) -> LinkState:
        """What the link could be spent for now."""

    async def links_from(self, candidate: str) -> datetime | None:
        """No link from before opens anything of the person's: their email moved then, or a mailbox said "not me". None: all count."""

    async def is_signed_in(self, candidate: str, session: str) -> bool:
        """Whether the session of this name is this person's, not over and not ended; nobody's who is erased."""

    async def of(self, candidate: str) -> Sequence[SignedIn]:
        """The person's sessions that work, the newest first."""

    async def end(self, candidate: str, session: str) -> bool:
        """Ends it and tells every service; whether there was one to end."""

    async def end_others(self, candidate: str, session: str) -> int:
        """Ends all of the person's but this one, and tells every service; how many."""

    async def forget(self, most: int) -> int:
        """Forgets so many whose time is over, and their links' too; how many."""


class Refusals(Protocol):
    """What somebody may say who was invited and does not want it."""

    async def standing(self, candidate: str) -> Refusal:
        """How the person stands to their invitation."""

    async def refuse(self, candidate: str, *, never_again: bool, until: datetime) -> Refusal:
        """How they stand now: the stub lapses, and with `never_again` no vendor's report invites this mailbox any more.

        Said again it changes nothing, until `until` also once they are erased; a no for ever can follow the other one. Of
        somebody who has answered, or is gone, nothing is changed.
        """


class VaultRotation(Protocol):
    """A rotation of the vault: everything under a new epoch key, and the keys before it destroyed; in one transaction."""

    @property
    def at(self) -> datetime:
        """The time of the unit of work."""

    async def begin(self, *, by: str, give_up_lost: bool = False) -> None:
        """Begins one, or has the one that is under way go on: there is one at a time.

        With `give_up_lost` it goes past the epochs whose keys this process finds lost now, and past no other: what was sealed under them is never opened again.
        """

    async def step(self) -> bool:
        """The next thing that is to be done for it; whether there is more. Again after any end it goes on where that was."""

    async def seen(self) -> VaultSeen:
        """How the vault stands; reads alone."""


class OperatorActs(Protocol):
    """The log of what operators did, inside a unit of work."""

    async def note(self, events: Sequence[TenantChangedV1]) -> None:
        """What was done to tenants, each record once, whichever way an operator took."""


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


class SecretRows(Protocol):
    """Which rows are under which key of the blind index, and which hashes under which pepper; inside one transaction."""

    async def to_reindex(self, index: BlindIndex, *, limit: int) -> tuple[Mapping[str, SealedIdentity], bool]:
        """The next who are not under the first key, by candidate, and whether there are more; locked, and whoever is at one of them
        now is passed over. Once all had their turn, those who stay have another one later.
        """

    async def reindex(self, index: BlindIndex, mails: Mapping[str, str]) -> int:
        """Brings these under the first key; how many. A row whose mailbox another row has under it stays as it is."""

    async def under_index_keys(self, index: BlindIndex, *, most: int) -> Mapping[bytes, int]:
        """How many people are not under the first key, by the id of the key (empty: of before rows said so); counted up to `most` each."""

    async def under_peppers(self, *, most: int) -> Mapping[bytes, int]:
        """How many slow hashes there are, by the id of the pepper (empty: of before there were prefixes); up to `most` each."""


class EmailChanges(Protocol):
    """The way from one email to another. Each step is whole, or nothing; the same step again changes nothing."""

    async def seen(self, candidate: str) -> Seen | None:
        """How the person's email stands, for themself; None for whoever is erased."""

    async def standing(self, candidate: str, change: str) -> Standing | None:
        """How this change stands; None where it is over, or another one took its place."""

    async def ask(self, candidate: str, new: str, origin: bytes) -> Begun:
        """Begins one, in place of one that was not answered in full, and has both mailboxes asked.

        The answer is the same whoever has the new mailbox. `origin`: the network, by which emails to a mailbox are counted.
        """

    async def recover(self, old: str, code: str, new: str, origin: bytes) -> None:
        """The same by a recovery code, without the old mailbox; no answer says whether email and code were right."""

    async def answer(self, candidate: str, change: str | None, act: Act, issued_at: datetime | None) -> Outcome:
        """What a mailbox says by the link of this change, made at `issued_at`; None: whoever is signed in says it of the one there is.

        Done when it returns: of two at once one comes after the other.
        """

    async def settle(self, limit: int) -> bool:
        """Does what the clock brings for at most so many; whether there may be more."""

    async def make_code(self, candidate: str, *, first_alone: bool, issued_at: datetime | None = None) -> str | None:
        """A new recovery code in place of the one before; None for a stub or whoever is erased.

        With `first_alone`, by a link made at `issued_at`: also None if there ever was one, or a "not me" voided that link.
        """
