"""What the courier asks of the outside."""

from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol

from services.signup.courier.model import (
    Addresses,
    Again,
    CalledOff,
    Cleared,
    Consent,
    ConsentCheck,
    Handed,
    Kind,
    Letter,
    Mail,
    NotTaken,
    Over,
    People,
    Person,
    RefusesUs,
    Standing,
    Stopped,
    Unwritable,
)
from shared.facts import Fact


class Incoming(Protocol):
    """Where what the topics say is kept; one transaction."""

    @property
    def at(self) -> datetime:
        """The transaction's time."""

    async def known(self, outreaches: Iterable[str]) -> Mapping[str, Mail]:
        """The outreach mails of these ids, locked until the end."""

    async def keep(self, new: Sequence[Mail], changed: Sequence[Mail], *, at: datetime) -> None:
        """Adds the new ones (a notice that is known already stays as it is) and writes the changed ones."""

    async def keep_consents(self, consents: Sequence[Consent], positions: Mapping[int, int]) -> Collection[str]:
        """Keeps the highest version of each, and how far the topic's partitions have been read."""

    async def erase(self, candidates: Sequence[str]) -> None:
        """Forgets what is kept of these people, so that nothing brings it back, and confirms that (`ErasureSweptV1`)."""

    async def erased_unheard(self, limit: int) -> Sequence[str]:
        """At most so many whom `erasures` has, as it was read back page by page."""


class Outgoing(Protocol):
    """Where the sender finds its work and writes down what became of it; one transaction."""

    async def next_due(self) -> datetime | None:
        """From when on there is a mail to be looked at; None while none waits."""

    async def claim(self, *, at: datetime, limit: int, consent_is_current: bool) -> Sequence[Mail]:
        """Ready mails whose time has come, locked, none of which another courier holds.

        First those whose own time is over, then what somebody waits for, then outreach and other notices by halves.
        Without a current projection of the consents: only those that need no grant or whose slot is over.
        """

    async def claim_over(self, *, at: datetime, limit: int) -> Sequence[Mail]:
        """As `claim`, only those whose own time is over."""

    async def gone(self, candidates: Iterable[str]) -> frozenset[str]:
        """Whose mailboxes count as gone."""

    async def consents(self, candidates: Iterable[str]) -> Mapping[str, Fact[Consent]]:
        """What is kept of these people's consents; all of them are in the answer."""

    async def people(self, candidates: Iterable[str]) -> People:
        """Who these people are, from the vault."""

    async def addresses(self, candidates: Iterable[str]) -> Mapping[str, Addresses]:
        """Of the changes of these people's emails that are not over."""

    async def take(self, courier: str, mails: Sequence[Mail], *, lease: timedelta) -> None:
        """From here on these mails are this courier's, as long as it shows that it lives."""

    async def mark_sending(self, courier: str, mails: Sequence[Mail]) -> frozenset[tuple[Kind, str]]:
        """The relay may see these from the end of the transaction on; returns those that are still this courier's.

        One is not when a later decision came, or when the courier counted as dead.
        """

    async def settle(self, over: Sequence[Over], *, at: datetime) -> None:
        """Ends mails that are ready, and were looked at here, without an attempt, and reports it."""

    async def hold(self, held: Mapping[tuple[Kind, str], datetime]) -> None:
        """Mails that are ready, by kind and id, are looked at again from that time on."""

    async def record(self, courier: str, after: Sequence[Again | Over], *, at: datetime) -> frozenset[tuple[Kind, str]]:
        """Writes down attempts and reports their outcomes; returns those mails that were still this courier's.

        What they say of mailboxes, the last word of each, is noted with the person, and told where it is news.
        """

    async def show_life(self, courier: str, *, lease: timedelta) -> None:
        """This courier lives for at least so long."""

    async def leave(self, courier: str) -> None:
        """This courier sends nothing more."""

    async def bury(self, *, at: datetime) -> Sequence[Over]:
        """What dead couriers were sending is doubtful and reported as that; what they had only taken is ready again."""

    async def forget(self, limit: int, *, older_than: timedelta) -> int:
        """Removes up to so many mails that were over so long ago that no topic brings them back; how many."""


OpenStore = Callable[[], AbstractAsyncContextManager[Outgoing]]
"""A transaction: it commits when the block ends and leaves nothing behind when the block raises."""

CheckConsents = Callable[[], Awaitable[ConsentCheck]]
"""Makes sure that the projection of the consents is current; TransientError when it can't be brought there in time."""

Spread = Callable[[], float]
"""From 0 to 1, each time another: couriers that wait for the same thing do not all come back at once."""

TenantName = Callable[[str], Fact[str]]
"""A tenant's name as people read it, with its domain."""
SenderStanding = Callable[[str], Fact[Standing]]
"""Of an employer: for one that is suspended or removed nothing is done."""
IntroducerStanding = Callable[[str], Fact[Standing]]
"""Of an employer or a vendor, with that of an employer's present vendor."""


Writing = Generator[None, None, Letter | Unwritable]
"""A letter that is written a step at a time: those of one batch do the same step one after the other."""


class Letters(Protocol):
    """Writes mails."""

    def outreach(self, mail: Mail, person: Person, employer: str, *, at: datetime) -> Writing:
        """An employer's words to a person; `employer` is the name."""

    def notice(
        self, mail: Mail, person: Person, introducer: str | None, *, at: datetime, zone: str | None = None
    ) -> Letter | Unwritable:
        """The network's own words; `introducer` is the name of who told of the person, where that is known.

        Moments are told in the person's time zone; in UTC where it is not known.
        """

    def email(self, mail: Mail, person: Person, change: str | None, *, at: datetime) -> Letter | Unwritable:
        """To one of the two mailboxes of a change of the person's email, which `person` has as their address; `change`: its id."""


Mark = Callable[[], Awaitable[bool]]
"""Writes down that the relay may see a mail from here on; False when it must not."""


Clear = Callable[[], Awaitable[Cleared | Stopped | CalledOff]]
"""The last look at a mail, before its words are asked for: whether it may leave, by a check made just now."""


class Relay(Protocol):
    """Takes mails over SMTP."""

    async def hand_over(self, letter: Letter, clear: Clear, mark: Mark) -> Handed:
        """One attempt. `clear` is asked once the relay takes the recipient, and again when it was slow to ask for the words.

        `mark` is called when only the words are still to be sent, and none leaves unless it says yes, or later than the
        check that `clear` gave lets it.
        """

    async def answers(self) -> RefusesUs | NotTaken | None:
        """Whether the relay lets us in now, and why not."""
