"""Mails as people read them: plain text and HTML of the same words, with links that only the courier can make."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Literal, assert_never

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.signup.courier.model import Letter, Mail, Person, Unwritable
from services.signup.courier.ports import TenantName
from services.signup.vault.addresses import mailable
from shared.contracts.outreach_gateway import Pay
from shared.contracts.signup import JOIN
from shared.security.boxes import CannotOpenError
from shared.security.links import Link, LinkPurpose, LinkSigner
from shared.security.words import open_words
from shared.text import why_not_one_line
from shared.wording import moment

UNSUBSCRIBE_WORKS_FOR = timedelta(days=60)  # CAN-SPAM, 15 U.S.C. 7704(a)(3)(A)(ii), asks for 30 days at least

# Links are longer than 78 characters and must not be folded: 998 is the limit of a line (RFC 5322, 2.1.1).
_POLICY = SMTP.clone(max_line_length=990, cte_type="7bit")

_NO_ADDRESS = Unwritable("the address is none that mail can be sent to")


class JinjaLetters:
    """Writes mails from the templates in `pages/`."""

    def __init__(
        self, signer: LinkSigner, tenant_name: TenantName, *, consent_url: str, signup_url: str, domain: str
    ) -> None:
        self._signer = signer
        self._tenant_name = tenant_name
        self._consent_url = consent_url
        self._signup_url = signup_url
        self._domain = domain
        self._pages = Environment(
            loader=FileSystemLoader(Path(__file__).parent.parent / "pages"),
            autoescape=select_autoescape(["html"], default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def outreach(self, mail: Mail, person: Person, employer: str, *, at: datetime) -> Letter | Unwritable:
        """An employer's words to a person; `employer` is the name."""
        recipient = mailable(person.address)
        if recipient is None:
            return _NO_ADDRESS
        try:
            words = open_words(mail.sealed or "", person.words_key, outreach=mail.id)
        except CannotOpenError:
            return Unwritable("the words do not open with this person's key")
        if (wrong := why_not_one_line(words.subject)) is not None:
            return Unwritable(f"the subject must {wrong}")
        if (wrong := why_not_one_line(employer)) is not None:
            return Unwritable(f"the employer's name must {wrong}")
        unsubscribe = self._link("u/", mail, "unsubscribe", at + UNSUBSCRIBE_WORKS_FOR, issued_at=at)
        message = self._envelope(
            mail, recipient, words.subject, at=at, by=f"{employer} through Fairpool", box="outreach"
        )
        message["X-Fairpool-Outreach"] = mail.id
        _offer_one_click(message, unsubscribe)
        return self._letter(
            message,
            "outreach",
            employer=employer,
            words=words,
            pay=pay_in_words(words.job.pay),
            unsubscribe=unsubscribe,
            preferences=f"{self._signup_url}/sign-in",
        )

    def notice(
        self, mail: Mail, person: Person, introducer: str | None, *, at: datetime, zone: str | None = None
    ) -> Letter | Unwritable:
        """The network's own words; `introducer` is the name of who told of the person, where that is known.

        Moments are told in the person's time zone; in UTC where it is not known.
        """
        recipient = mailable(person.address)
        if recipient is None:
            return _NO_ADDRESS
        if mail.purpose is None or mail.good_until is None:
            return Unwritable("a notice needs a purpose and a time until which its link works")
        until = mail.good_until
        match mail.purpose:
            case "confirm":
                subject, link = "Your answer is needed: Fairpool", self._link("confirm/", mail, "confirm", until)
            case "sign_in":
                subject, link = "Your link to Fairpool", self._link("me?token=", mail, "me", until)
            case "changed":
                subject = "What was changed in your name: Fairpool"
                link = self._link("me?token=", mail, "me", until)
            case "stop_asked":
                subject, until = "Stop everything? One tap is needed: Fairpool", at + UNSUBSCRIBE_WORKS_FOR
                link = self._link("u/", mail, "unsubscribe", until, issued_at=at)
            case _:
                assert_never(mail.purpose)
        message = self._envelope(mail, recipient, subject, at=at, by="Fairpool", box="notices")
        message["X-Fairpool-Notice"] = mail.id
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834
        if mail.purpose == "stop_asked":
            _offer_one_click(message, link)
        return self._letter(
            message,
            mail.purpose,
            link=link,
            until=moment(until, zone),
            by_join=mail.introduced_by == JOIN,
            introducer=introducer,
            changes=[
                (moment(change.at, zone), change.what, self._tenant_name(change.employer or ""))
                for change in mail.changes
            ],
            sign_in=f"{self._signup_url}/sign-in",
        )

    def _link(
        self, path: str, mail: Mail, purpose: LinkPurpose, until: datetime, *, issued_at: datetime | None = None
    ) -> str:
        token = self._signer.sign(Link(mail.candidate, purpose, until, mail.employer, issued_at))
        return f"{self._consent_url}/{path}{token}"

    def _envelope(
        self, mail: Mail, recipient: str, subject: str, *, at: datetime, by: str, box: Literal["outreach", "notices"]
    ) -> EmailMessage:
        message = EmailMessage(_POLICY)
        message["From"] = Address(by, box, self._domain)
        message["To"] = recipient
        message["Subject"] = subject
        message["Date"] = format_datetime(at.astimezone(UTC))
        message["Message-ID"] = f"<{mail.id}.{mail.version}@{self._domain}>"
        return message

    def _letter(
        self,
        message: EmailMessage,
        page: str,
        **values: Any,  # noqa: ANN401 - templates take values of any type
    ) -> Letter | Unwritable:
        message.set_content(self._pages.get_template(f"{page}.txt").render(**values))
        message.add_alternative(self._pages.get_template(f"{page}.html").render(**values), subtype="html")
        raw = message.as_bytes()
        if not _reads_as_written(message, raw):
            return Unwritable("the mail would not read as it was written")
        return Letter(f"bounces@{self._domain}", str(message["To"]), raw)


def pay_in_words(pay: Pay) -> str:
    """As people write it: `USD 82,000 to 96,000 a year`."""
    low, high = (f"{amount:,.2f}".removesuffix(".00") for amount in (pay.min, pay.max))
    return f"{pay.currency} {low if low == high else f'{low} to {high}'} {'an' if pay.per == 'hour' else 'a'} {pay.per}"


def _offer_one_click(message: EmailMessage, link: str) -> None:
    """The button of mail programs (RFC 8058): it posts to the link, and nobody has to look at a page."""
    message["List-Unsubscribe"] = f"<{link}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"


def _reads_as_written(message: EmailMessage, raw: bytes) -> bool:
    """Whether a reader finds exactly the headers that were set, once each: nothing slipped in, nothing slipped out."""
    return sorted(message_from_bytes(raw).keys()) == sorted(message.keys())
