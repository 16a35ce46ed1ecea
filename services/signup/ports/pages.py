"""What the pages ask for: joining, signing in, refusing, changing an email."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from services.signup.decisions.asking import Joining
from services.signup.model.email_changes import Act, Begun, Outcome, Seen, Standing
from services.signup.model.invitations import Refusal
from services.signup.model.sessions import Here, LinkState, SignedIn, Spent
from services.signup.vault.index import Indexed
from shared.i18n import Language
from shared.security.sessions import Session


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

    async def here(self, candidate: str, session: str) -> Here | None:
        """Who is signed in by the session of this name; None as `is_signed_in` says no."""

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

    async def standing(self, candidate: str, issued_at: datetime | None) -> Refusal:
        """How the person stands to their invitation; `issued_at`: when the link was made."""

    async def refuse(
        self, candidate: str, *, never_again: bool, until: datetime, issued_at: datetime | None
    ) -> Refusal:
        """How they stand now: the stub lapses, and with `never_again` no vendor's report invites this mailbox any more.

        Said again it changes nothing, until `until` also once they are erased; a no for ever can follow the other one. A no for
        ever of somebody who has answered stops all that they allow, by a link that is not void. Else nothing is changed of them,
        nor of somebody who is gone.
        """


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
