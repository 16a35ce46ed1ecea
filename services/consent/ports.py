"""What consent asks of the outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.consent.decisions.told import Standing
from services.consent.model import (
    Answer,
    Attempt,
    Blocking,
    Choices,
    Disclosed,
    Door,
    EndedSession,
    Entry,
    Introduction,
    Memberships,
    Message,
    NamedEmployer,
    Present,
    TellingPlace,
    VoidLinks,
    What,
)
from shared.contracts.consent import AboutGrant, ExportAnsweredV1, LinkStatement, Purpose
from shared.contracts.outreach_gateway import OutreachDecidedV1, PolicyNumbers
from shared.contracts.pool_matching import (
    Criteria,
    DisclosedV1,
    DisclosureEndedV1,
    MembershipsChangedV1,
    PoolChangedV1,
)
from shared.contracts.signup import ExportRequestedV1, OutreachOutcomeReportedV1
from shared.facts import Fact

BLOCKS = "blocks"
"""Queue of work, of which each key is an employer that is to be blocked for those who named it."""


EXPORTS = "exports"
"""Queue of work, of which each key is an export that is to be answered."""


class Writes(Protocol):
    """A new state as it is written down: with its leaf, its opening and its receipt."""

    def __call__(
        self,
        present: Present,
        choices: Choices,
        at: datetime,
        door: Door,
        statement: LinkStatement | None = None,
        answer: Answer | None = None,
    ) -> Entry:
        """`statement`: signup's, of the link by which it was said, where it was one that can switch something on.

        `answer`: the text that the person answered; none where it was not asked about, and holds by the text that it held by.
        """


@dataclass(frozen=True, slots=True)
class Employer:
    """An employer of the network, as people read its name."""

    id: str
    name: str
    """As people read it: with the verified domain beside it, where there is one."""
    called: str
    """The name alone."""
    domain: str | None = None


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

    async def read(self, candidate: str, session: str = "") -> Present:
        """The present state, whether this session of theirs was ended, and from when links count; of somebody unknown, version 0."""

    async def lock(self, candidate: str, session: str = "") -> Present:
        """The same, made if there was none, which nobody else changes until the transaction ends."""

    async def end_sessions(self, ended: Sequence[EndedSession]) -> None:
        """Notes them until they would have ended by themselves; of nobody who is closed."""

    async def forget_ended_sessions(self, most: int) -> int:
        """Forgets so many whose time is over, the oldest first; how many they were."""

    async def void_links(self, voided: Sequence[VoidLinks]) -> None:
        """Notes from when links of these count, the latest moment of each, until those of before have ended; of nobody who is closed."""

    async def forget_void_links(self, most: int) -> int:
        """Forgets so many whose time is over, the oldest first; how many they were."""

    async def append(self, entry: Entry) -> Present:
        """Writes state, leaf, opening, receipt and event, all or none; the row must be locked."""

    async def receipt(self, receipt: str, candidate: str) -> Mapping[str, Any] | None:
        """The receipt with the opening of its leaf, if that was not shredded; None when this person has no such receipt."""

    async def receipts(self, candidate: str, most: int, *, before: int | None = None) -> Sequence[Mapping[str, Any]]:
        """So many of their receipts, the latest first, each as `receipt` has it; of versions lower than `before`."""

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

    async def whom_to_ask_again(self, version: str, most: int) -> Sequence[Present]:
        """So many who have something on and neither signed this agreement nor were asked to, each locked; who allowed under
        the oldest text come first.
        """

    async def note_asked(self, candidates: Sequence[str], version: str) -> None:
        """They were asked to sign it."""

    async def whom_to_remind(self, most: int) -> Sequence[Present]:
        """So many whose reminder is due, each locked."""

    async def note_reminded(self, next_at: Mapping[str, datetime | None]) -> None:
        """When each is to be reminded next; None: not again."""

    def ask_about_grant(self, present: Present, about: AboutGrant, told_by: str | None = None) -> None:
        """An email asks the person about what they allow, and when that ends; `told_by`: who told of the hire."""

    async def ask_whether_hired(self, present: Present, told_by: str | None) -> bool:
        """The same of a hire; False, and none is sent, when one was within a month."""

    async def tell_changes(self, most: int) -> int:
        """Tells so many people what there is to tell by now, each in one notice; tells how many they were."""


class Messages(Protocol):
    """What employers wrote to people: how each was decided and what became of it, without a word of it."""

    @property
    def at(self) -> datetime:
        """The time of the transaction."""

    async def hold_erasures(self) -> None:
        """Nobody is closed until the transaction ends; who was closed before is seen by what follows."""

    async def keep_decisions(self, decisions: Sequence[OutreachDecidedV1]) -> None:
        """Of each the highest version, unless a higher one is kept, and of nobody who is closed anything; of each policy its
        numbers, once.
        """

    async def keep_reports(self, reports: Sequence[OutreachOutcomeReportedV1]) -> None:
        """The same of what became of them, by the version of the decision that was acted upon."""

    async def page(self, candidate: str, most: int, after: tuple[datetime, str] | None) -> Sequence[Message]:
        """So many of this person's, the latest first, that come after the one that began then."""

    async def since(self, candidate: str, since: datetime, most: int) -> Sequence[Message]:
        """Those of this person's that began later, the latest first."""

    async def lock(self, candidate: str, outreach: str) -> Fact[Message]:
        """This message, where it is known to be this person's; nobody else changes it until the transaction ends."""

    async def wish(self, message: Message) -> None:
        """Its person wants it next: that is noted, and said on `wishes`; the message must be locked."""

    async def numbers(self, policy: str) -> Fact[PolicyNumbers]:
        """What this policy says in numbers."""

    async def forget(self, until: datetime, most: int) -> int:
        """Forgets so many that began by then; tells how many there were."""


class Tellings(Protocol):
    """What employers could read of people, inside one transaction; of who was erased nothing is kept."""

    @property
    def at(self) -> datetime:
        """The time of the transaction."""

    async def hold(self, candidates: Collection[str]) -> Collection[str]:
        """Call before writing of them: those who were not erased, of whom nobody else writes until the transaction ends."""

    async def note_disclosures(self, events: Sequence[DisclosedV1]) -> None:
        """Keeps each once; what is known to be over by now is over."""

    async def end_disclosures(self, events: Sequence[DisclosureEndedV1]) -> None:
        """What could be read by then can't be read any more."""

    async def note_memberships(self, events: Sequence[tuple[MembershipsChangedV1, datetime]]) -> None:
        """Keeps whichever is newer than what is kept, and when it was said; one a person. What could be read of a pool that they are
        in no more, or are in anew, is over."""

    async def note_pools(self, events: Sequence[PoolChangedV1]) -> None:
        """Keeps whichever is newer than what is kept; one a pool. Of a deleted one stays what it asked for."""

    async def memberships(self, candidate: str) -> Fact[Memberships]:
        """The pools that they are in."""

    async def in_force(self, candidate: str) -> Sequence[Disclosed]:
        """What employers can read of them now."""

    async def disclosures(self, candidate: str, most: int, *, before: TellingPlace = ...) -> Sequence[Disclosed]:
        """What employers could read of them, the latest first, from behind a place on."""

    async def asked(self, pools: Collection[str]) -> Mapping[str, Criteria]:
        """What these pools ask for, those of which it is known."""

    async def forget(self, most: int, *, before: datetime) -> bool:
        """Forgets so many of what was over before then; whether there may be more."""


class Exports(Protocol):
    """What is kept of people who take it along, inside one transaction."""

    @property
    def at(self) -> datetime:
        """The time of the transaction."""

    @property
    def consents(self) -> Consents:
        """What they allow, and their receipts."""

    @property
    def messages(self) -> Messages:
        """What employers wrote."""

    @property
    def tellings(self) -> Tellings:
        """What employers could read."""

    def answer_later(self, requests: Sequence[ExportRequestedV1]) -> None:
        """Has them answered, by the queue `EXPORTS`."""

    def answer(self, parts: Sequence[ExportAnsweredV1]) -> None:
        """Says these with the transaction."""


class Shapes(Protocol):
    """How what is taken along is written."""

    def message(self, message: Message) -> dict[str, Any]:
        """A message, as the person's programs read it."""

    def telling(self, told: Disclosed, asked: Mapping[str, Criteria]) -> dict[str, Any]:
        """What an employer could read, likewise."""

    def pool(self, pool: Standing, asked: Mapping[str, Criteria]) -> dict[str, Any]:
        """A pool that they are in, likewise."""

    def present(self, present: Present) -> dict[str, Any]:
        """What holds now."""

    def guidelines(self, choices: Choices, *, at: datetime) -> dict[str, Any]:
        """To whom their profile may go, as HR Open Standards write it."""


class Directory(Protocol):
    """The employers of the network."""

    def employers(self) -> Sequence[Employer]:
        """All of them, by name."""

    def name(self, employer: str) -> Fact[str]:
        """What this employer, or a vendor who told of somebody, is called, also once it has left the network."""
