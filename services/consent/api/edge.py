"""What every route of consent needs: whose link this is, a transaction, and when an answer may be given."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request

from services.consent import decisions
from services.consent.api.served import Labels
from services.consent.decisions import Changed, Refused, Unchanged
from services.consent.model import Agreements, Answer, Door, Introduction, Present
from services.consent.ports import Consents, Directory, Messages, Tellings, Writes
from shared.contracts.consent import LinkStatement
from shared.facts import UNKNOWN, Fact
from shared.messaging.errors import is_transient
from shared.security.links import BadLink, Link, LinkPurpose, LinkReader, is_void
from shared.security.seals import Seals
from shared.security.statements import StatementReader
from shared.web.holders import Holder, Holders
from shared.web.middleware import ARRIVED
from shared.web.pages import Pages
from shared.web.person import Navigation
from shared.web.problems import Problem, kind

Transaction = Callable[[], AbstractAsyncContextManager[Consents]]
HasPublished = Callable[[Sequence[int]], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Edge:
    """What `app.py` gives to the routes."""

    change: Transaction
    """A transaction whose events are on their way when it ends."""
    look: Transaction
    """For reading."""
    has_published: HasPublished
    """Whether Kafka has these outbox rows within the time that a person can be asked to wait."""
    time_withdrawal: Callable[[int, float], None]
    """Notes how long the row of the outbox takes from that moment (`time.perf_counter`) to Kafka."""
    now: Callable[[], datetime]
    links: LinkReader
    statements: StatementReader
    """Tells which links signup has made."""
    holders: Holders
    """Tells who is signed in."""
    navigation: Navigation
    """Where the pages of somebody who is signed in are."""
    messages: Callable[[], AbstractAsyncContextManager[Messages]]
    """For reading what employers wrote."""
    tellings: Callable[[], AbstractAsyncContextManager[Tellings]]
    """For reading what employers could read."""
    change_messages: Callable[[], AbstractAsyncContextManager[Messages]]
    """A transaction on it, whose events are on their way when it ends."""
    directory: Directory
    agreements: Agreements
    seals: Seals
    """Seals what is given to a person and comes back from them."""
    labels: Labels
    """Of the text that a form's page shows."""
    writes: Writes
    sign_in: str
    """The page that emails a link to `/me`."""
    profile: str
    """Where a person's link leads to what employers may see of them, at signup."""
    erase: str
    """Where their link has them erased, at signup."""
    join: str
    """The page by which a person comes of their own accord."""
    pages: Pages
    stops_within: timedelta = timedelta(0)
    """No unsubscribe link is answered faster: that something changed is not to be read off the clock."""

    def link(self, token: str, *purposes: LinkPurpose) -> Link:
        """The link behind the token, if it is for one of these purposes; raises BadLinkError."""
        found = self.links.read(token, *purposes, at=self.now())
        if isinstance(found, BadLink):
            raise BadLinkError(found)
        return found

    def stated(self, by: Link | Holder) -> LinkStatement | None:
        """Signup's statement of this link or session; None where none holds: then nothing can be switched on by it."""
        if by.statement is None or not self.statements.holds(by.candidate, by.statement):
            return None
        return LinkStatement.of(by.statement)

    async def read(self, candidate: str, session: str = "") -> Present:
        """The person's present state, as `Consents.read`."""
        async with self.look() as consents:
            return await consents.read(candidate, session)

    async def introduction(self, present: Present) -> Fact[Introduction]:
        """Who told of the person; whoever has answered is not told again, and it is not looked for."""
        if present.version > 0:
            return UNKNOWN
        async with self.look() as consents:
            return await consents.introduction(present.candidate)

    def alive(self, present: Present, link: Link | None = None) -> Present:
        """The same, if there is somebody behind it whose session was not ended, and whose link (where they came by one) is not of
        before their email changed; raises GoneError, a 401, or BadLinkError. A link that can only stop is not asked here.
        """
        if present.is_closed:
            raise GoneError
        if link is not None and is_void(link.issued_at, present.links_from):
            raise BadLinkError(BadLink("void"))
        if present.session_ended:
            raise self.holders.session_over()
        return present

    async def is_out(self, present: Present) -> bool:
        """Whether Kafka has this state; no when it can't be found out."""
        if present.outbox_id is None:
            return True
        try:
            return await self.has_published([present.outbox_id])
        except Exception as error:
            if not is_transient(error):
                raise
            return False

    def time_if_withdrawal(self, request: Request, before: Present, after: Present) -> None:
        """From the arrival of the request, where it takes something back."""
        if after.outbox_id is not None and decisions.takes_back(before.choices, after.choices):
            self.time_withdrawal(after.outbox_id, request.scope[ARRIVED])

    async def apply(
        self,
        consents: Consents,
        present: Present,
        outcome: Changed | Unchanged,
        door: Door,
        statement: LinkStatement | None = None,
        answer: Answer | None = None,
    ) -> Present:
        """The state after the decision, written down if it is a new one, with what signup states of the link and, where the
        person answered a text, that.
        """
        if isinstance(outcome, Unchanged):
            return present
        return await consents.append(self.writes(present, outcome.choices, consents.at, door, statement, answer))


class BadLinkError(Exception):
    """The link is no good; the answer says what to do."""

    def __init__(self, bad: BadLink) -> None:
        super().__init__(bad.reason)
        self.is_expired = bad.reason == "expired"
        self.is_void = bad.reason == "void"

    @property
    def status(self) -> int:
        """410 for a link that was good once, 404 for what never was one, or not for this page."""
        return 410 if self.is_expired or self.is_void else 404


class NoLinkError(Exception):
    """A page that a link opens was opened without one; the answer says where one comes from, or leads there."""


class GoneError(Exception):
    """The link was good, and nobody is behind it any more; the answer says how to come again."""


def refused(outcome: Refused) -> Problem:
    """The refusal for a program: a pointer and a sentence for each field."""
    return Problem(
        422,
        "Invalid request",
        "Some of this can't be so; `errors` says what. Nothing was changed. Correct it and send it again.",
        type=kind("invalid"),
        errors=[{"pointer": f"#/{field}", "detail": sentence} for field, sentence in outcome.errors.items()],
    )


def too_old(sign_in: str, *, took_back: bool) -> Problem:
    """The refusal for a program of a yes that a link can't say any more."""
    return Problem(
        403,
        "Newer link needed",
        f"This link is too old to switch anything on, and still switches off. {WHAT_A_LINK_TOO_OLD_DID[took_back]} {sign_in} emails a new one.",
        type=kind("link-too-old"),
    )


WHAT_A_LINK_TOO_OLD_DID = {
    True: "What this switches off or blocks is off and blocked; nothing else was changed.",
    False: "Nothing was changed.",
}
"""By whether something of what it asked was taken back."""


def other_text(version: str) -> Problem:
    """The refusal for a program of a yes to a text that is not in force."""
    return Problem(
        409,
        "Other agreement",
        f"{version} is in force, and `agreement` does not name it: show that one, name it, and send the answer again. What this"
        " switches off or blocks is off and blocked; nothing else was changed.",
        type=kind("other-agreement"),
    )


def privacy_signal(request: Request) -> bool:
    """Global Privacy Control, section 3.3: only the exact value `1` is a signal."""
    return request.headers.get("sec-gpc") == "1"
