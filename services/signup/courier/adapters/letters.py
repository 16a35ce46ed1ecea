"""Mails as people read them: plain text and HTML of the same words, with links that only the courier can make."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from email.headerregistry import Address
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, assert_never

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.signup.courier.adapters.envelope import Envelope, alternative, joined, message_id
from services.signup.courier.adapters.forms import Form, Forms
from services.signup.courier.model import About, GrantNotice, Letter, Mail, NoticePurpose, Person, Unwritable
from services.signup.courier.ports import TenantName, Writing
from services.signup.vault.addresses import mailable
from shared import i18n
from shared.contracts import grants
from shared.contracts.outreach_gateway import Job, Words
from shared.contracts.signup import JOIN, AboutEmail
from shared.facts import shown
from shared.i18n import gettext, marked
from shared.imprint import Operator
from shared.security.boxes import CannotOpenError
from shared.security.links import JobLink, Link, LinkPurpose, LinkSigner
from shared.security.words import open_words
from shared.text import readable, why_not_one_line, why_not_public
from shared.web.languages import with_language
from shared.wording import day, moment, pay_in_words, written_day, zone_of

UNSUBSCRIBE_WORKS_FOR = timedelta(days=60)  # CAN-SPAM, 15 U.S.C. 7704(a)(3)(A)(ii), asks for 30 days at least

NOT_ME_WORKS_FOR = timedelta(hours=72)
"""Behind the time for a yes to a change of one's email, in the same link: as long as signup takes a "not me"."""

JOB_LINK_WORKS_FOR = timedelta(days=366)
"""Where the offer is open for longer."""

_JOBS_KNOWN = 256
"""An employer writes to many about one job, and what is said of it is the same in each email; 25 KB of each."""
_WIDTH = 72
_WRAPPED = re.compile(rf"[^ ](?:[^\n]{{0,{_WIDTH - 2}}}[^ ])?(?= |$)|[^ ]+")
"""As many whole words as fit, or one that is longer."""
_ODD_BLANK = re.compile(r"[^\S ]|^ ")
"""What `textwrap` has rules of its own for: another blank than the usual one, and one at the beginning."""
_SUBJECTS: Mapping[NoticePurpose, str] = {
    "sign_in": marked("Your link to Fairpool"),
    "changed": marked("What was changed in your name: Fairpool"),
    "stop_asked": marked("Stop everything? One tap is needed: Fairpool"),
}
_QUESTIONS: Mapping[About, str] = {
    "agreement_renewed": marked("The agreement has new words: Fairpool asks you again"),
    "ending": marked("What you allow ends soon: Fairpool"),
    "hired": marked("Were you hired? Pause, stop, or stay: Fairpool"),
    "export_ready": marked("The file that you asked for is ready: Fairpool"),
}
_ENDED = marked("What you allowed has ended: Fairpool")
_OF_EMAILS: Mapping[AboutEmail, str] = {
    "new": marked("Is this mailbox yours? Fairpool"),
    "old": marked("Another email was asked for in your name: Fairpool"),
    "taken": marked("This mailbox was named for somebody's change of email: Fairpool"),
    "changed": marked("Your email was changed: Fairpool"),
    "recovering": marked("Your email will be changed by your recovery code: Fairpool"),
    "done": marked("Your email is changed: Fairpool"),
    "not_moved": marked("Your email could not be changed by the recovery code: Fairpool"),
    "code_made": marked("A new recovery code was made: Fairpool"),
}
OUTREACH = (
    "employer", "opening", "title", "organization", "place", "pay", "open_to", "job_page", "body", "quoted_body", "unsubscribe",
)  # fmt: skip
"""What differs between two outreach emails of one language."""
_NO_ADDRESS = Unwritable("the address is none that mail can be sent to")


class JinjaLetters:
    """Writes mails from the templates in `pages/`."""

    def __init__(
        self,
        signer: LinkSigner,
        message_key: bytes,
        tenant_name: TenantName,
        operator: Operator,
        *,
        consent_url: str,
        signup_url: str,
        domain: str,
    ) -> None:
        self._signer = signer
        self._message_key = message_key
        self._tenant_name = tenant_name
        self._consent_url = consent_url
        self._signup_url = signup_url
        self._domain = domain
        self._pages = Environment(
            loader=FileSystemLoader(Path(__file__).parent.parent / "pages"),
            autoescape=select_autoescape(["html"], default_for_string=True),
            undefined=StrictUndefined,
            auto_reload=False,  # else each letter asks for the times of five files
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        i18n.add_catalogs(Path(__file__).parent.parent / "locale")
        i18n.install(self._pages)
        self._pages.filters["filled"] = filled
        self._pages.globals.update(
            operator=operator, home=f"{signup_url}/", sign_in=f"{signup_url}/sign-in", recover=f"{signup_url}/recover"
        )
        self._forms = Forms(self._pages, OUTREACH)
        self._about_job = lru_cache(_JOBS_KNOWN)(self._about_job_anew)
        self._address = lru_cache(_JOBS_KNOWN)(lambda by, box: Address(by, box, domain))

    def outreach(self, mail: Mail, person: Person, employer: str, *, at: datetime) -> Writing:
        """An employer's words to a person; `employer` is the name. All of ours are in the person's language.

        Steps: the words are opened, the token is signed, what the mail says is put together, its bodies are written, its head is.
        """
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
        yield
        unsubscribe = self._link(mail, "unsubscribe", at + UNSUBSCRIBE_WORKS_FOR, issued_at=at)
        yield
        with i18n.reading(person.locale):  # in one step: others' letters have their turn between two
            said = self._said(mail, recipient, words, employer, unsubscribe, at=at)
        if isinstance(said, Unwritable):
            return said
        envelope, forms, values = said
        yield
        parts = [form.part(values) for form in forms]
        yield
        return _sealed(envelope, joined(*parts))

    def _said(
        self, mail: Mail, recipient: str, words: Words, employer: str, unsubscribe: str, *, at: datetime
    ) -> tuple[Envelope, Sequence[Form], Mapping[str, str]] | Unwritable:
        """An outreach in the present language: its headers, its pages, and the values that these are filled with."""
        until = min(_over_everywhere(words.job.valid_through), _begin_of_day(at + JOB_LINK_WORKS_FOR))
        forms = self._about_job(words.job, until, employer, i18n.present().locale)
        if isinstance(forms, Unwritable):
            return forms
        envelope = self._envelope(
            mail, recipient, readable(words.subject), at=at, by=gettext("%(employer)s through Fairpool", employer=employer), box="outreach",
            more=one_click(unsubscribe),
        )  # fmt: skip
        body = readable(words.body).strip("\n")
        return envelope, forms, {"body": body, "quoted_body": quoted(body), "unsubscribe": _page(unsubscribe)}

    def _about_job_anew(
        self, job: Job, until: datetime, employer: str, _locale: i18n.Locale
    ) -> Sequence[Form] | Unwritable:
        """The pages of the present language with all that is the same in each email of this employer about this job; its link works
        until then.
        """
        if (wrong := _why_not_open(job)) is not None:
            return Unwritable(f"the job's link must {wrong}")
        values = {
            "employer": employer,
            "opening": filled(gettext("%(employer)s writes to you through Fairpool.", employer=employer)),
            "title": _line(job.title),
            "organization": _line(job.organization),
            "place": _line(job.location) + (" " + gettext("(remote is possible)") if job.remote else ""),
            "pay": pay_in_words(job.pay),
            "open_to": _line(written_day(job.valid_through)),
            "job_page": _page(self._job_page(job, until)),
        }
        return [self._forms.form(f"outreach.{kind}").about(values) for kind in ("txt", "html")]

    def notice(
        self, mail: Mail, person: Person, introducer: str | None, *, at: datetime, zone: str | None = None
    ) -> Letter | Unwritable:
        """The network's own words; `introducer` is the name of who told of the person, where that is known.

        Moments are told in the person's time zone; in UTC where it is not known. All of it is in the person's language.
        """
        with i18n.reading(person.locale):
            return self._notice(mail, person, introducer, at=at, zone=zone)

    def _notice(
        self, mail: Mail, person: Person, introducer: str | None, *, at: datetime, zone: str | None
    ) -> Letter | Unwritable:
        recipient = mailable(person.address)
        if recipient is None:
            return _NO_ADDRESS
        if mail.grant is not None and mail.good_until is not None:
            return self._about_grant(mail, mail.grant, mail.good_until, recipient, introducer, at=at, zone=zone)
        if mail.purpose is None or mail.good_until is None:
            return Unwritable("a notice needs a purpose and a time until which its link works")
        until, refuse, more = mail.good_until, None, {"Auto-Submitted": "auto-generated"}  # RFC 3834
        match mail.purpose:
            case "confirm":
                link, refuse = self._link(mail, "confirm", until, issued_at=at), self._link(mail, "refuse", until)
                more |= one_click(refuse)
            case "sign_in" | "changed":
                link = self._link(mail, "me", until, issued_at=at)
            case "stop_asked":
                until = at + UNSUBSCRIBE_WORKS_FOR
                link = self._link(mail, "unsubscribe", until, issued_at=at)
                more |= one_click(link)
                link = _page(link)
            case _:
                assert_never(mail.purpose)
        by_join = mail.introduced_by == JOIN
        known = _SUBJECTS.get(mail.purpose)
        subject = gettext(known) if known else _subject_of_an_invitation(introducer, by_join=by_join)
        return self._letter(
            self._envelope(mail, recipient, subject, at=at, by="Fairpool", box="notices", more=more),
            mail.purpose,
            link=link,
            refuse=_page(refuse) if refuse else None,
            until=moment(until, zone),
            subject=subject,
            by_join=by_join,
            introducer=introducer,
            told_on=_day_and_zone(mail.introduced_at, zone) if mail.introduced_at else None,
            changes=[
                (moment(change.at, zone), change, shown(self._tenant_name(change.employer or ""), None))
                for change in mail.changes
            ],
        )

    def email(self, mail: Mail, person: Person, change: str | None, *, at: datetime) -> Letter | Unwritable:
        """To one of the two mailboxes of a change of the person's email; the link of the old one goes on to work for its "not me".

        All of it is in the person's language.
        """
        with i18n.reading(person.locale):
            return self._email(mail, person, change, at=at)

    def _email(self, mail: Mail, person: Person, change: str | None, *, at: datetime) -> Letter | Unwritable:
        recipient, until = mailable(person.address), mail.good_until
        if recipient is None:
            return _NO_ADDRESS
        if mail.email is None or until is None:
            return Unwritable("a notice of a change needs to say which, and until when")
        end: LinkPurpose = "email_new" if mail.email == "new" else "email_old"
        works_until = until + NOT_ME_WORKS_FOR if mail.email == "old" else until
        subject = gettext(_OF_EMAILS[mail.email])
        token = self._signer.sign(Link(mail.candidate, end, works_until, None, at, change))
        more = {"Auto-Submitted": "auto-generated"}
        return self._letter(
            self._envelope(mail, recipient, subject, at=at, by="Fairpool", box="notices", more=more),
            "email_change",
            about=mail.email,
            subject=subject,
            link=_page(f"{self._signup_url}/email/{token}"),
            until=moment(until, None),
        )

    def _about_grant(
        self,
        mail: Mail,
        grant: GrantNotice,
        until: datetime,
        recipient: str,
        told_by: str | None,
        *,
        at: datetime,
        zone: str | None,
    ) -> Letter | Unwritable:
        """What consent asks, with a link to the person's choices; of what they take along the link signs nobody in."""
        has_ended = grant.about == "ending" and grants.has_ended(grant, at=at)
        subject = gettext(_ENDED if has_ended else _QUESTIONS[grant.about])
        more = {"Auto-Submitted": "auto-generated"}
        return self._letter(
            self._envelope(mail, recipient, subject, at=at, by="Fairpool", box="notices", more=more),
            grant.about,
            link=_page(f"{self._signup_url}/me/export")
            if grant.about == "export_ready"
            else self._link(mail, "me", until, issued_at=at),
            until=moment(until, zone),
            ends_at=moment(grant.ends_at, zone) if grant.ends_at else None,
            has_ended=has_ended,
            ends_on=_day_and_zone(grant.ends_at, zone) if grant.ends_at else None,
            told_by=told_by,
        )

    def _link(self, mail: Mail, purpose: LinkPurpose, until: datetime, *, issued_at: datetime | None = None) -> str:
        token = self._signer.sign(Link(mail.candidate, purpose, until, mail.employer, issued_at))
        match purpose:
            case "confirm":
                return _page(f"{self._consent_url}/confirm/{token}")
            case "me":
                return _page(f"{self._signup_url}/sign-in/{token}")
            case "unsubscribe":
                return f"{self._consent_url}/u/{token}"
            case "refuse":
                return f"{self._signup_url}/refuse/{token}"
            case "email_new" | "email_old":
                return _page(f"{self._signup_url}/email/{token}")
            case _:
                assert_never(purpose)

    def _job_page(self, job: Job, until: datetime) -> str:
        """A page of ours that leads on to the employer's: no address of the employer's stands in an email."""
        link = JobLink(str(job.url), _line(job.title), _line(job.organization), until)
        return f"{self._signup_url}/j/{self._signer.sign_job(link)}"

    def _envelope(
        self,
        mail: Mail,
        recipient: str,
        subject: str,
        *,
        at: datetime,
        by: str,
        box: Literal["outreach", "notices"],
        more: Mapping[str, str],
    ) -> Envelope:
        name = message_id(mail.kind, mail.id, self._message_key, self._domain)
        return Envelope(self._address(by, box), recipient, subject, at, name, more)

    def _letter(
        self,
        envelope: Envelope,
        page: str,
        **values: Any,  # noqa: ANN401 - templates take values of any type
    ) -> Letter | Unwritable:
        text, html = (self._pages.get_template(f"{page}.{kind}").render(**values) for kind in ("txt", "html"))
        return _sealed(envelope, alternative(text, html))


def _sealed(envelope: Envelope, body: bytes) -> Letter | Unwritable:
    raw = envelope.around(body)
    if raw is None:
        return Unwritable("the mail would not read as it was written")
    return Letter(f"bounces@{envelope.sender.domain}", envelope.recipient, raw)


def _page(address: str) -> str:
    """The page opens in the email's language, whatever the browser prefers; English is what it says itself."""
    locale = i18n.present().locale
    return with_language(address, None if locale == "en" else locale)


def one_click(link: str) -> Mapping[str, str]:
    """The headers behind the button of mail programs (RFC 8058): it posts to the link, and nobody looks at a page."""
    return {"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def filled(text: str) -> str:
    """Words of ours in lines of a text mail."""
    return "\n".join(wrapped(text.replace("\n", " ")))


def quoted(text: str) -> str:
    """Somebody's words in a text mail: each line marked as theirs, so that no line of them can pass for one of ours."""
    lines = [part for line in text.split("\n") for part in wrapped(line) or ("",)]
    return "\n".join([f"> {line}".rstrip() for line in lines])


def wrapped(line: str) -> Sequence[str]:
    """What `textwrap` makes of a line in our width, no word broken, also not after a hyphen: an address would not work any more.

    It takes a third of a letter's time, for rules that nearly no line needs.
    """
    is_usual = line.isascii() and line.isprintable() and not line.startswith(" ")
    if not is_usual and _ODD_BLANK.search(line):
        return textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return _WRAPPED.findall(line)


def _why_not_open(job: Job) -> str | None:
    url = job.url
    if url.username is not None or url.password is not None:
        return "not hold a user name or password"
    return why_not_public(url.host or "")


def _subject_of_an_invitation(introducer: str | None, *, by_join: bool) -> str:
    """Who told of the person; a name that would not stand on one line is left out."""
    if by_join:
        return gettext("Your link to join Fairpool")
    who = (
        introducer
        if introducer and why_not_one_line(introducer) is None
        else gettext("An employer or its hiring system")
    )
    return gettext("%(who)s told Fairpool about you", who=who)


def _day_and_zone(when: datetime, zone: str | None) -> str:
    return day(when, zone) + (" (UTC)" if zone_of(zone) is UTC else "")


def _line(text: str) -> str:
    return " ".join(readable(text).split())


def _begin_of_day(at: datetime) -> datetime:
    """So that all emails of a day about a job have one link."""
    return datetime.combine(at.astimezone(UTC), time(), UTC)


@lru_cache(_JOBS_KNOWN)
def _over_everywhere(valid_through: str) -> datetime:
    """When the offer's last day is over everywhere: the day itself begins and ends up to twelve hours later or earlier.

    The last moment there is where it says no day.
    """
    try:
        return datetime.combine(date.fromisoformat(valid_through), time(), UTC) + timedelta(hours=36)
    except (ValueError, OverflowError):
        return datetime.max.replace(tzinfo=UTC)
