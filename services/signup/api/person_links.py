"""The links of emails, as every door of signup reads them: the one place that says which of them still open something."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

from services.signup.ports.pages import Sessions
from shared.security.links import WIDENS, BadLink, Link, LinkPurpose, LinkReader, is_void


@dataclass(frozen=True, slots=True)
class PersonLinks:
    """Reads them. One that opens something of its person's (`WIDENS`) is `void` where it was made before their email moved, or
    before a mailbox said "not me": it lies in a mailbox that is theirs no more.

    What can only stop goes on to work, and so does what the two mailboxes of a change say to it: a "not me" always wins, by rules
    of its own.
    """

    links: LinkReader
    look: Callable[[], AbstractAsyncContextManager[Sessions]]
    """For reading since when their links count."""
    now: Callable[[], datetime]

    async def read(self, token: str, *purposes: LinkPurpose) -> Link | BadLink:
        """The link behind the token, as `LinkReader.read`; one statement, if that is good."""
        link = self.signed(token, *purposes)
        if isinstance(link, BadLink) or link.purpose not in WIDENS:
            return link
        async with self.look() as sessions:
            since = await sessions.links_from(link.candidate)
        return BadLink("void") if is_void(link.issued_at, since) else link

    def signed(self, token: str, *purposes: LinkPurpose) -> Link | BadLink:
        """By signature and times alone, before a byte of a body is read: `read` has to follow."""
        return self.links.read(token, *purposes, at=self.now())
