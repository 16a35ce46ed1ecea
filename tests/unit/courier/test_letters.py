"""Whole mails: what stands in them, and what must not, in any encoding."""

import base64
import email
import quopri
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP, default
from html import unescape
from typing import get_args
from uuid import UUID

import pytest
from pydantic import AnyHttpUrl

from services.consent.adapters import agreement
from services.signup.courier.adapters.letters import JinjaLetters
from services.signup.courier.model import GrantNotice, Letter, Mail, NoticePurpose, Person, Unwritable
from services.signup.courier.ports import Writing
from services.signup.model.email_changes import WAY_BACK
from shared.contracts.consent import AboutGrant
from shared.contracts.outreach_gateway import Pay, Words
from shared.contracts.signup import JOIN, AboutEmail, ChangeNoticed
from shared.facts import UNKNOWN, Known
from shared.imprint import Operator
from shared.security import boxes, encoding
from shared.security.links import JobLink, Link, LinkReader, LinkSigner, public_half
from shared.security.statements import StatementReader, StatementSigner
from shared.security.tenant_keys import new_key
from shared.security.words import KeyPair, WordsForm, seal_words
from shared.wording import pay_in_words
from tests.fakes.clock import NOON
from tests.signing import PUBLIC, seed_of
from tests.unit.courier.jobs import JOB

SEED = boxes.new_key()
SUBJECT_KEY = bytes(range(64))
CANDIDATE = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5"
PAIR = KeyPair.generate()
PERSON = Person("ana.ruiz.canary@people.example", PAIR)
LETTERS = JinjaLetters(
    LinkSigner(SEED, SUBJECT_KEY, StatementSigner(seed_of("signup"))),
    bytes(range(32)),
    lambda tenant: Known("Denver Health (denverhealth.org)") if tenant == "emp_denverhealth" else UNKNOWN,
    Operator("The Example Pool", "1 Main Street, Denver, CO 80202", "help@pool.example"),
    consent_url="https://consent.test",
    signup_url="https://signup.test",
    domain="fairpool.test",
)


def mail_with(
    subject: str = "Night-shift RN, Denver",
    body: str = "We would like to talk.",
    pair: KeyPair = PAIR,
    form: WordsForm = "hpke",
) -> Mail:
    words = Words(outreach="o_abc", subject=subject, body=body, job=JOB)
    return Mail(
        kind="outreach",
        id="o_abc",
        candidate=CANDIDATE,
        employer="emp_denverhealth",
        version=7,
        good_until=NOON + timedelta(minutes=10),
        sealed=seal_words(words, pair.public, form),
    )


def at_once(writing: Writing) -> Letter | Unwritable:
    """All steps of one letter, one after the other."""
    while True:
        try:
            next(writing)
        except StopIteration as end:
            letter: Letter | Unwritable = end.value
            return letter


def written(letter: Letter | Unwritable) -> EmailMessage:
    assert isinstance(letter, Letter)
    message = email.message_from_bytes(letter.content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def outreach(mail: Mail | None = None, employer: str = "Denver Health") -> Letter | Unwritable:
    return at_once(LETTERS.outreach(mail or mail_with(), PERSON, employer, at=NOON))


def notice(purpose: str) -> EmailMessage:
    mail = Mail(kind="notice", id="n_1", candidate=CANDIDATE, version=1, good_until=NOON + timedelta(days=14))
    return written(LETTERS.notice(replace(mail, purpose=purpose), PERSON, None, at=NOON))  # type: ignore[arg-type]  # parametrised


def texts(message: EmailMessage) -> list[str]:
    return [part.get_content() for part in message.walk() if not part.is_multipart()]


def test_an_outreach_says_who_writes_what_the_job_is_and_how_it_ends() -> None:
    message = written(outreach())
    assert message["From"] == "Denver Health through Fairpool <outreach@fairpool.test>"
    assert message["To"] == PERSON.address
    assert message["Subject"] == "Night-shift RN, Denver"
    assert [name for name in message if name.lower().startswith("x-")] == []
    assert message.get_content_type() == "multipart/alternative"
    assert message["Precedence"] is None
    assert message["Reply-To"] is None
    for text in texts(message):
        for fact in ("Registered nurse", "Denver, CO", "USD 82,000 to 96,000 a year", "https://signup.test/j/"):
            assert fact in text
        assert "We would like to talk." in text
        assert "https://signup.test/sign-in" in text


def test_the_text_of_an_outreach_has_one_empty_line_between_its_parts() -> None:
    text = texts(written(outreach()))[0].replace("\r\n", "\n")
    assert "\n\nThe job\n" in text and "\n\n\n" not in text


def test_an_outreach_says_how_to_answer_and_why_it_came_in_the_words_of_the_page() -> None:
    (contact,) = [purpose for purpose in agreement.read().purposes if purpose.id == "contact"]
    for text in texts(written(outreach())):
        plain = " ".join(re.sub(r"<[^>]+>", " ", unescape(text)).split())
        assert contact.label in plain
        assert "Fairpool did not give the employer your email" in plain
        assert "A reply to this email reaches nobody" in plain


@pytest.mark.parametrize(
    ("introduced_by", "name", "words"),
    [
        (
            "emp_denverhealth",
            "Denver Health (denverhealth.org)",
            "Denver Health (denverhealth.org) told Fairpool about you on November 23, 2026 (UTC).",
        ),
        (
            "emp_denverhealth",
            None,
            "An employer or its hiring system told Fairpool about you on November 23, 2026 (UTC).",
        ),
        (None, None, "An employer or its hiring system told Fairpool about you on November 23, 2026 (UTC)."),
        (JOIN, None, "filled in Fairpool's join page on November 23, 2026 (UTC)."),
    ],
)
def test_the_first_mail_says_who_told_of_the_person(introduced_by: str | None, name: str | None, words: str) -> None:
    mail = replace(notice_mail("confirm"), introduced_by=introduced_by, introduced_at=NOON)
    for text in map(plainly, texts(written(LETTERS.notice(mail, PERSON, name, at=NOON)))):
        assert words in text
        assert ("Fairpool's join page" in text) == (introduced_by == JOIN)
    for text in map(plainly, texts(written(LETTERS.notice(replace(mail, introduced_at=None), PERSON, name, at=NOON)))):
        assert words.replace(" on November 23, 2026 (UTC)", "") in text, "older notices did not say when"


@pytest.mark.parametrize(
    ("introduced_by", "name", "subject"),
    [
        (
            "emp_denverhealth",
            "Denver Health (denverhealth.org)",
            "Denver Health (denverhealth.org) told Fairpool about you",
        ),
        ("emp_denverhealth", None, "An employer or its hiring system told Fairpool about you"),
        ("emp_denverhealth", "Acme\r\nBcc: x", "An employer or its hiring system told Fairpool about you"),
        (None, None, "An employer or its hiring system told Fairpool about you"),
        (JOIN, None, "Your link to join Fairpool"),
    ],
)
def test_the_subject_of_an_invitation_says_who_told_and_presses_nobody(
    introduced_by: str | None, name: str | None, subject: str
) -> None:
    mail = replace(notice_mail("confirm"), introduced_by=introduced_by, introduced_at=NOON)
    assert written(LETTERS.notice(mail, PERSON, name, at=NOON))["Subject"] == subject


def test_the_day_on_which_somebody_told_is_in_the_persons_zone_where_that_is_known() -> None:
    told = replace(notice_mail("confirm"), introduced_by="emp_x", introduced_at=datetime(2026, 11, 24, 2, tzinfo=UTC))
    for zone, words in (("America/Denver", "on November 23, 2026."), (None, "on November 24, 2026 (UTC).")):
        for text in texts(written(LETTERS.notice(told, PERSON, "Acme", at=NOON, zone=zone))):
            assert f"told Fairpool about you {words}" in plainly(text)


def test_one_click_ends_it_with_a_link_that_works_for_sixty_days() -> None:
    message = written(outreach())
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = re.fullmatch(r"<https://consent\.test/u/(\S+)>", message["List-Unsubscribe"])
    assert found is not None
    token = found.group(1)
    reader = LinkReader([public_half(SEED)], [SUBJECT_KEY])
    link = reader.read(token, "unsubscribe", at=NOON + timedelta(days=59))
    assert link == Link(CANDIDATE, "unsubscribe", NOON + timedelta(days=60), "emp_denverhealth", NOON)
    assert all(f"https://consent.test/u/{token}" in text for text in texts(message))


def test_the_header_with_the_link_is_one_line() -> None:
    letter = outreach()
    assert isinstance(letter, Letter)
    assert re.search(rb"^List-Unsubscribe: <https://\S+>\r$", letter.content, re.MULTILINE)


@pytest.mark.parametrize(
    ("purpose", "path", "link_purpose"), [("confirm", "/confirm/", "confirm"), ("sign_in", "/sign-in/", "me")]
)
def test_a_notice_carries_its_link_until_it_expires(purpose: str, path: str, link_purpose: str) -> None:
    message = notice(purpose)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"] == "Fairpool <notices@fairpool.test>"
    for text in texts(message):
        found = re.search(rf"https://(?:consent|signup)\.test{re.escape(path)}([\w.-]+)", text)
        assert found is not None
        link = LinkReader([public_half(SEED)], [SUBJECT_KEY]).read(found.group(1), "confirm", "me", at=NOON)
        assert isinstance(link, Link)
        assert replace(link, statement=None) == Link(CANDIDATE, link_purpose, NOON + timedelta(days=14), None, NOON)  # type: ignore[arg-type]  # parametrised
        assert link.statement is not None
        assert StatementReader(PUBLIC["signup"]).holds(CANDIDATE, link.statement), "a yes can be said by it"
        assert "December 7, 2026" in text
        assert "Hello," in text, "a name is a stranger's words until the person has confirmed"


def test_a_confirmation_says_that_everything_is_off_and_what_happens_if_nothing_is_done() -> None:
    for text in texts(notice("confirm")):
        assert "Everything is off" in text
        assert "If you save no answer, everything stays off, and we forget you after 14 days." in plainly(text)
        assert "At most two emails like this one will ever come" in plainly(text)
        assert "It costs you nothing" in plainly(text)


@pytest.mark.parametrize(
    "subject",
    [
        "Hello\r\nBcc: all@example.org",
        "Hello\nX: y",
        "Hello\rX",
        "Hello\x00",
        "Hi\u2028there",
        "\x1b[0m",
        "=?utf-8?q?Hi=0D=0ABcc:_evil@example.net?= there",
        "=?utf-8?b?SGkNCkJjYzogZXZpbEBleGFtcGxlLm5ldA==?=",
        "=?utf-8?q?Hi=0D=0AContent-Type:_text/html=0D=0A=0D=0A<a_href=3Dhttp://evil>Sign_in</a>?=",
    ],
)
def test_a_subject_with_a_line_break_is_refused(subject: str) -> None:
    assert isinstance(outreach(mail_with(subject)), Unwritable)


def test_an_employers_name_cannot_add_a_header() -> None:
    assert isinstance(outreach(employer="Acme\r\nBcc: all@example.org"), Unwritable)
    message = written(outreach(employer='Acme" <evil@example.org>, "x'))
    assert [address.addr_spec for address in message["From"].addresses] == ["outreach@fairpool.test"]


def test_words_sealed_to_another_person_are_refused_without_quoting_them() -> None:
    letter = outreach(mail_with(pair=KeyPair.generate()))
    assert letter == Unwritable("the words do not open with this person's key")


def test_a_letter_is_the_same_in_whichever_form_its_words_were_sealed() -> None:
    forms: tuple[WordsForm, ...] = get_args(WordsForm)
    one, other = (written(outreach(mail_with(form=form))) for form in forms)
    assert (one.items()[:-1], texts(one)) == (other.items()[:-1], texts(other)), "the last header has the boundary"


def test_words_of_another_outreach_are_refused() -> None:
    assert isinstance(outreach(replace(mail_with(), id="o_other")), Unwritable)


@pytest.mark.parametrize(
    "address",
    [
        "a@people.example>\r\nRCPT TO:<b@people.example",
        "a@x.example, b@x.example",
        "zażółć@x.example",
        "a",
        "",
        "a@" + "x" * 70,
    ],
)
def test_a_mail_goes_to_one_plain_address_or_not_at_all(address: str) -> None:
    assert isinstance(
        at_once(LETTERS.outreach(mail_with(), replace(PERSON, address=address), "Acme", at=NOON)), Unwritable
    )
    assert isinstance(
        LETTERS.notice(notice_mail("confirm"), replace(PERSON, address=address), None, at=NOON), Unwritable
    )


def test_a_domain_beyond_ascii_is_written_in_ascii() -> None:
    letter = LETTERS.notice(notice_mail("confirm"), replace(PERSON, address="ana@żółw.example"), None, at=NOON)
    assert isinstance(letter, Letter)
    assert letter.recipient == "ana@xn--w-uga1v8h.example"
    assert written(letter)["To"] == letter.recipient


def test_html_in_an_employers_words_stays_text() -> None:
    letter = outreach(mail_with(body="<script>alert(1)</script> & <img src=x>"))
    html = texts(written(letter))[1]
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_any_script_arrives_as_it_was_written() -> None:
    message = written(
        outreach(mail_with("Kraków: pielęgniarka 🙂", "Zażółć gęślą jaźń"), employer="Szpital Żeromskiego")
    )
    assert message["Subject"] == "Kraków: pielęgniarka 🙂"
    assert message["From"].addresses[0].display_name == "Szpital Żeromskiego through Fairpool"
    assert all("Zażółć gęślą jaźń" in text for text in texts(message))


def test_only_seven_bit_lines_of_legal_length_leave() -> None:
    letter = outreach(mail_with(body="długa linia " * 500))
    assert isinstance(letter, Letter)
    assert letter.content.isascii()
    assert max(len(line) for line in letter.content.split(b"\r\n")) <= 998
    assert b"\n" not in letter.content.replace(b"\r\n", b"")


def every_reading(content: bytes) -> list[bytes]:
    """The bytes as they are, decoded part by part, and each long word decoded from base64."""
    message = email.message_from_bytes(content, policy=SMTP)
    parts = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
    headers = "\n".join(str(value) for value in message.values()).encode()
    readings = [content, quopri.decodestring(content), headers, *(part for part in parts if isinstance(part, bytes))]
    found = readings
    for _ in range(3):  # a token's part holds base64 in base64
        found = [decoded for reading in found for decoded in from_base64(reading)]
        readings = readings + found
    return readings


def from_base64(reading: bytes) -> list[bytes]:
    words = re.findall(rb"[A-Za-z0-9+/_-]{12,}", reading)
    padded = [
        word.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(word) % 4) for word in words if len(word) % 4 != 1
    ]
    return [base64.b64decode(word) for word in padded]


def every_writing(secret: str) -> list[bytes]:
    raw = secret.encode()
    return [raw, raw.hex().encode(), base64.b64encode(raw).rstrip(b"="), base64.urlsafe_b64encode(raw).rstrip(b"=")]


def test_nothing_of_another_person_or_of_our_inside_is_in_the_bytes_in_any_encoding() -> None:
    other, employers_mail, key = (
        "someone.else.canary@people.example",
        "hr.canary@denverhealth.example",
        new_key("emp_x"),
    )
    at_once(LETTERS.outreach(mail_with(), replace(PERSON, address=other), "Denver Health", at=NOON))
    changes, stated = (STOPPED, STOPPED.model_copy(update={"employer": "emp_stopped_canary"})), set[str]()
    purposes: tuple[NoticePurpose, ...] = get_args(NoticePurpose)
    letters = [
        outreach(),
        *(
            LETTERS.notice(replace(notice_mail(purpose), changes=changes), PERSON, None, at=NOON)
            for purpose in purposes
        ),
    ]
    for letter in letters[1:]:
        assert isinstance(letter, Letter)
        for token in re.findall(r"/(?:confirm|sign-in)/([\w.-]+)", "".join(texts(written(letter)))):
            link = LinkReader([public_half(SEED)], [SUBJECT_KEY]).read(token, "confirm", "me", at=NOON)
            assert isinstance(link, Link)
            assert link.statement is not None
            stated.update((link.statement.link, encoding.encode(link.statement.signature)))
    assert len(stated) == 2 * 2, "of the invitation, and of what leads to the preference center"
    uuid = UUID(CANDIDATE)
    secrets = (
        *stated,
        other,
        employers_mail,
        key,
        PAIR.private,
        PAIR.public,
        CANDIDATE,
        uuid.hex,
        "o_abc",
        "n_1canary",
    )
    keys_of_topics = ("emp_denverhealth", "emp_stopped_canary")  # beside the person's and the outreach's, above
    forbidden = [writing for secret in (*secrets, *keys_of_topics) for writing in every_writing(secret)]
    forbidden += [uuid.bytes, base64.urlsafe_b64encode(uuid.bytes).rstrip(b"=")]
    for letter in letters:
        assert isinstance(letter, Letter)
        readings = [reading.lower() for reading in every_reading(letter.content)]
        for writing in forbidden:
            assert not any(writing.lower() in reading for reading in readings)
        assert PERSON.address.encode() in letter.content, "the search would find an address"


def notice_mail(purpose: str) -> Mail:
    return Mail(
        kind="notice",
        id="n_1canary",
        candidate=CANDIDATE,
        version=1,
        good_until=NOON + timedelta(days=1),
        purpose=purpose,  # type: ignore[arg-type]  # parametrised
    )


def test_the_search_finds_what_is_hidden_in_base64() -> None:
    hidden = base64.b64encode(b"x: ana.ruiz.canary@people.example")
    assert any(b"ana.ruiz.canary" in reading for reading in every_reading(b"Subject: a\r\n\r\n" + hidden))


def test_what_holds_a_person_shows_nothing_of_them() -> None:
    letter = outreach()
    assert "canary" not in repr(letter) + repr(PERSON) + f"{letter}{PERSON}"


@pytest.mark.parametrize(
    ("pay", "words"),
    [
        (Pay(min=20.5, max=20.5, currency="USD", per="hour"), "USD 20.50 an hour"),
        (Pay(min=4000, max=5000, currency="EUR", per="month"), "EUR 4,000 to 5,000 a month"),
    ],
)
def test_pay_reads_as_people_write_it(pay: Pay, words: str) -> None:
    assert pay_in_words(pay) == words


def changed(*changes: ChangeNoticed, purpose: NoticePurpose = "changed", zone: str | None = None) -> EmailMessage:
    mail = replace(notice_mail(purpose), changes=changes)
    return written(LETTERS.notice(mail, PERSON, None, at=NOON, zone=zone))


def plainly(text: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", text)).replace("’", "'").split())


STOPPED = ChangeNoticed(at=NOON, what="employer_stopped", employer="emp_denverhealth")


def test_what_was_switched_on_is_told() -> None:
    both = ChangeNoticed(at=NOON, what="choices_changed", switched_on=("match", "contact"))
    neither = ChangeNoticed(at=NOON, what="choices_changed")
    seen, written_to = "employers whose jobs fit see your profile.", "those employers may write to you."
    for text in map(plainly, texts(changed(both))):
        assert f"Switched on, unless it was switched off since: {seen}" in text
        assert f"Switched on, unless it was switched off since: {written_to}" in text
    for text in map(plainly, texts(changed(neither))):
        assert "Switched on" not in text


def test_an_employer_that_was_blocked_by_its_name_is_told_as_that_and_as_nobodys_misuse() -> None:
    by_name = STOPPED.model_copy(update={"by_name": True})
    for text in map(plainly, texts(changed(by_name))):
        assert (
            "Denver Health (denverhealth.org) was blocked, for it has a name or a domain that you had blocked" in text
        )
        assert "This was not you?" not in text
        assert "there is nothing to do" in text
    for text in map(plainly, texts(changed(by_name, STOPPED))):
        assert "This was not you?" in text


def test_what_was_changed_in_the_persons_name_is_told_with_when_and_by_name() -> None:
    at = NOON + timedelta(hours=1)
    others = [
        ChangeNoticed(at=at, what="everything_stopped"),
        ChangeNoticed(at=at, what="choices_changed"),
        ChangeNoticed(at=at, what="profile_changed"),
    ]
    message = changed(STOPPED, *others, zone="America/Denver")
    assert message["Subject"] == "What was changed in your name: Fairpool"
    for text in map(plainly, texts(message)):
        assert "November 23, 2026, 12:00 pm MST Denver Health (denverhealth.org) was stopped" in text
        assert "November 23, 2026, 1:00 pm MST Everything was switched off" in text
        assert "November 23, 2026, 1:00 pm MST What you allow was changed." in text
        assert "November 23, 2026, 1:00 pm MST What employers may see about you was changed." in text
        assert "from then on no employer saw your profile" in text
        for of_now in ("no longer sees", "can't write", "none writes"):
            assert of_now not in text
        assert "This was not you?" in text
        assert "UTC" not in text


def test_where_the_zone_is_not_known_the_time_says_that_it_is_utc() -> None:
    for text in map(plainly, texts(changed(STOPPED))):
        assert "November 23, 2026, 7:00 pm UTC" in text


def test_the_mail_about_changes_leads_to_the_persons_own_page() -> None:
    for text in texts(changed(STOPPED)):
        found = re.search(r"https://signup\.test/sign-in/([\w.-]+)", text)
        assert found is not None
        link = LinkReader([public_half(SEED)], [SUBJECT_KEY]).read(found.group(1), "me", at=NOON)
        assert isinstance(link, Link)
        assert replace(link, statement=None) == Link(CANDIDATE, "me", NOON + timedelta(days=1), issued_at=NOON)
        assert link.statement is not None, "what was stopped in the person's name can be switched on again by it"


def test_an_old_links_stop_is_made_by_one_tap_of_a_link_that_is_issued_now() -> None:
    message = changed(STOPPED, purpose="stop_asked")
    found = re.fullmatch(r"<https://consent\.test/u/(\S+)>", message["List-Unsubscribe"])
    assert found is not None
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = LinkReader([public_half(SEED)], [SUBJECT_KEY]).read(found.group(1), "unsubscribe", at=NOON)
    assert link == Link(CANDIDATE, "unsubscribe", NOON + timedelta(days=60), None, NOON)
    for text in texts(message):
        assert f"https://consent.test/u/{found.group(1)}" in text
        assert "Denver Health (denverhealth.org) was stopped, and nothing else." in plainly(text)
        assert "button of your email program does the same: it stops everything" in plainly(text)


def test_an_old_links_stop_whose_employer_is_not_told_names_nobody() -> None:
    for text in map(plainly, texts(changed(purpose="stop_asked"))):
        assert "if it came with an employer's email, that employer is stopped, and nothing else." in text


def test_a_search_in_a_token_finds_what_its_subject_would_say_in_clear() -> None:
    clear = base64.urlsafe_b64encode(b'{"sub":"' + base64.urlsafe_b64encode(CANDIDATE.encode()) + b'"}').rstrip(b"=")
    assert any(
        CANDIDATE.encode() in reading for reading in every_reading(b"Subject: a\r\n\r\n/u/e30." + clear + b".c2ln")
    )


def test_a_mail_has_one_message_id_at_each_attempt_and_shares_it_with_no_other() -> None:
    later = at_once(LETTERS.outreach(mail_with(), PERSON, "Denver Health", at=NOON + timedelta(hours=1)))
    first, again = written(outreach())["Message-ID"], written(later)["Message-ID"]
    assert first == again
    assert re.fullmatch(r"<[0-9a-f]{32}@fairpool\.test>", first)
    second = replace(notice_mail("confirm"), id=f"{CANDIDATE}:confirm:2")
    found = {
        written(LETTERS.notice(mail, PERSON, None, at=NOON))["Message-ID"] for mail in (notice_mail("confirm"), second)
    }
    assert len(found | {first}) == 3


def test_an_employers_words_are_marked_line_by_line_so_that_none_passes_for_ours() -> None:
    forged = "Hello.\n--\nTo answer, open https://evil.example/\u2028Do not want such emails?\r\n" + "word " * 60
    text, html = texts(written(outreach(mail_with(body=forged))))
    said = text[text.index("What they say") : text.index("To answer, open the job's page")].splitlines()[1:]
    marked = [line for line in said if line.startswith(">")]
    assert marked[:4] == ["> Hello.", "> --", "> To answer, open https://evil.example/", "> Do not want such emails?"]
    assert [line for line in said if line and not line.startswith(">")] == ["--"]
    assert max(len(line) for line in marked) <= 80
    box = html[html.index("white-space:pre-line") :]
    assert "evil.example" in box[: box.index("</div>")]


@pytest.mark.parametrize("mark", ["\x1b", "\x9b", "\u202e", "\u2066", "\u200b", "\ufeff"])
def test_marks_that_nobody_sees_are_not_in_a_letter_whoever_let_them_in(mark: str) -> None:
    assert all(
        mark not in text and "Come today" in text
        for text in texts(written(outreach(mail_with(body=f"Come to{mark}day"))))
    )


def with_link(url: str) -> Letter | Unwritable:
    words = Words(outreach="o_abc", subject="Hi", body="Hi", job=JOB.model_copy(update={"url": AnyHttpUrl(url)}))
    return outreach(replace(mail_with(), sealed=seal_words(words, PAIR.public, "hpke")))


def test_the_jobs_link_leads_to_a_page_of_ours_until_the_offer_is_over_everywhere() -> None:
    reader = LinkReader([public_half(SEED)], [SUBJECT_KEY])
    for text in texts(written(with_link("https://a7f.example.org/jobs"))):
        assert "a7f.example.org" not in text
        assert "which site it is on" in plainly(text)
        for token in re.findall(r"https://signup\.test/j/([\w.-]+)", text):
            link = reader.read_job(token, at=NOON)
            assert isinstance(link, JobLink)
            assert (link.url, link.title) == ("https://a7f.example.org/jobs", "Registered nurse")
            assert link.expires_at == datetime(2027, 2, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("last", ["9999-12-31", "not a day"])
def test_a_jobs_link_ends_after_a_year_in_any_case(last: str) -> None:
    words = Words(outreach="o_abc", subject="Hi", body="Hi", job=JOB.model_copy(update={"valid_through": last}))
    (text, _) = texts(written(outreach(replace(mail_with(), sealed=seal_words(words, PAIR.public, "hpke")))))
    (token,) = re.findall(r"https://signup\.test/j/([\w.-]+)", text)
    link = LinkReader([public_half(SEED)], [SUBJECT_KEY]).read_job(token, at=NOON)
    assert isinstance(link, JobLink)
    assert link.expires_at == datetime(2027, 11, 24, tzinfo=UTC), (
        "at the beginning of a day: one link for all mails of a day"
    )


@pytest.mark.parametrize(
    "url", ["https://google.com@evil.example/", "https://0x7f000001/", "https://[::1]/", "https://localhost/"]
)
def test_a_link_that_does_not_say_where_it_leads_is_not_mailed(url: str) -> None:
    assert isinstance(with_link(url), Unwritable)


def test_what_one_click_in_a_mail_program_ends_is_said_in_the_mail() -> None:
    for text in map(plainly, texts(written(outreach()))):
        assert "stops this employer at once, and every other one too, unless you allowed something since." in text


def test_an_invitation_can_be_refused_on_a_page_and_by_one_click() -> None:
    message = notice("confirm")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = re.fullmatch(r"<https://signup\.test/refuse/(\S+)>", message["List-Unsubscribe"])
    assert found is not None
    link = LinkReader([public_half(SEED)], [SUBJECT_KEY]).read(found.group(1), "refuse", at=NOON)
    assert link == Link(CANDIDATE, "refuse", NOON + timedelta(days=14))
    for text in texts(message):
        assert f"https://signup.test/refuse/{found.group(1)}" in text
        assert re.search("This was not me|this was not you", text)
        assert "ever write to me again" in plainly(text)


def test_every_mail_says_who_runs_the_network_and_where_they_are() -> None:
    messages = [
        written(outreach()),
        notice("confirm"),
        notice("sign_in"),
        changed(STOPPED),
        changed(purpose="stop_asked"),
    ]
    for message in messages:
        for text in map(plainly, texts(message)):
            assert "Fairpool is run by The Example Pool, 1 Main Street, Denver, CO 80202." in text
            assert "Questions: help@pool.example" in text
            assert "mail address" not in text


def test_what_the_operator_has_not_said_is_told_plainly() -> None:
    silent = JinjaLetters(
        LinkSigner(SEED, SUBJECT_KEY), bytes(32), lambda _: UNKNOWN, Operator(), consent_url="https://c.test", signup_url="https://s.test", domain="fairpool.test"
    )  # fmt: skip
    for text in map(plainly, texts(written(silent.notice(notice_mail("sign_in"), PERSON, None, at=NOON)))):
        assert "Whoever runs this Fairpool has given neither a name nor a postal address." in text


def question(grant: GrantNotice, told_by: str | None = None) -> EmailMessage:
    mail = Mail(
        kind="notice", id="n_1", candidate=CANDIDATE, version=1, good_until=NOON + timedelta(days=14), grant=grant
    )
    return written(LETTERS.notice(mail, PERSON, told_by, at=NOON, zone="America/Denver"))


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ("agreement_renewed", "your yes holds for those words alone. It ends on December 23, 2026."),
        ("ending", "What you allow in Fairpool ends on December 23, 2026: from then on no employer sees your profile"),
        ("hired", "Acme Robotics told us that you were hired."),
    ],
)
def test_a_question_about_a_grant_says_what_happens_without_an_answer(about: AboutGrant, said: str) -> None:
    message = question(GrantNotice(about, NOON + timedelta(days=30), None), "Acme Robotics")
    for text in texts(message):
        plain = " ".join(re.sub(r"<[^>]+>", " ", unescape(text)).split())
        assert said in plain.replace(". It ends", ". It ends")
        assert "there is nothing to do" in plain or "If you do nothing, it just ends." in plain
        assert "The link works once, until" in plain
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] is None
    assert PERSON.address not in " ".join(texts(message))


def test_what_has_ended_by_the_time_of_the_email_is_told_as_over() -> None:
    message = question(GrantNotice("ending", NOON - timedelta(days=2), None))
    assert message["Subject"] == "What you allowed has ended: Fairpool"
    for text in texts(message):
        plain = " ".join(re.sub(r"<[^>]+>", " ", unescape(text)).split())
        assert "What you allowed in Fairpool ended on November 21, 2026: no employer sees your profile" in plain
        assert "To be found again" in plain
        assert "ends on" not in plain


SPANISH = replace(PERSON, locale="es")


@pytest.mark.parametrize("purpose", get_args(NoticePurpose))
def test_a_notice_to_somebody_who_reads_spanish_is_spanish_in_both_parts_and_its_subject(purpose: str) -> None:
    mail = Mail(kind="notice", id="n_1", candidate=CANDIDATE, version=1, good_until=NOON + timedelta(days=14))
    message = written(LETTERS.notice(replace(mail, purpose=purpose), SPANISH, None, at=NOON))  # type: ignore[arg-type]  # parametrised
    english = notice(purpose)
    assert message["Subject"] != english["Subject"]
    text, html = texts(message)
    assert '<html lang="es">' in html
    assert "Hola:" in text
    assert "Hola:" in html
    for ours, theirs in zip((text, html), texts(english), strict=True):
        assert _sentences(ours) & _sentences(theirs) == set()


@pytest.mark.parametrize("about", get_args(AboutGrant))
def test_a_question_about_a_grant_is_spanish_too_and_tells_its_day_so(about: AboutGrant) -> None:
    mail = Mail(
        kind="notice", id="n_1", candidate=CANDIDATE, version=1, good_until=NOON + timedelta(days=14),
        grant=GrantNotice(about, NOON + timedelta(days=60), "es"),
    )  # fmt: skip
    text, html = texts(written(LETTERS.notice(mail, SPANISH, None, at=NOON)))
    for part in (text, html):
        assert re.search(r"\b\d+ de [a-z]+ de 20\d\d\b", " ".join(part.split()))
        assert re.search(r"/sign-in/\S+\?lang=es", part)


@pytest.mark.parametrize("about", get_args(AboutEmail))
def test_an_email_of_a_change_is_spanish_too(about: AboutEmail) -> None:
    mail = replace(notice_mail("confirm"), purpose=None, email=about)
    message, english = (written(LETTERS.email(mail, who, "e_1", at=NOON)) for who in (SPANISH, PERSON))
    assert message["Subject"] != english["Subject"]
    for ours, theirs in zip(texts(message), texts(english), strict=True):
        assert "Hola:" in ours
        assert _sentences(ours) & _sentences(theirs) == set()
    if about not in ("taken", "done", "not_moved", "code_made"):
        assert re.search(r"/email/\S+\?lang=es", texts(message)[0])


def test_every_outreach_says_in_its_foot_that_nobody_of_ours_asks_for_the_recovery_code() -> None:
    for who, words in (
        (PERSON, "Fairpool never asks for your recovery code."),
        (SPANISH, "Fairpool nunca le pide su código de recuperación."),
    ):
        for part in texts(written(at_once(LETTERS.outreach(mail_with(), who, "Denver Health", at=NOON)))):
            assert words in " ".join(unescape(part).split())


def test_an_outreach_has_our_words_in_spanish_and_the_employers_as_they_were_written() -> None:
    message = written(at_once(LETTERS.outreach(mail_with(), SPANISH, "Denver Health", at=NOON)))
    assert message["From"] == "Denver Health por medio de Fairpool <outreach@fairpool.test>"
    assert message["Subject"] == "Night-shift RN, Denver"
    for part in texts(message):
        assert "We would like to talk." in part
        assert "USD 82,000 a 96,000 al año" in part
        assert _sentences(part) & {sentence for one in texts(written(outreach())) for sentence in _sentences(one)} <= {
            "We would like to talk"
        }


def _sentences(part: str) -> set[str]:
    """Those of four words and more, of what is read."""
    plain = re.sub(r"https?://\S+|<[^>]*>|^> ?", " ", unescape(part), flags=re.MULTILINE)
    found = {" ".join(one.split()) for one in re.split(r"[.:?!;]\s", " ".join(plain.split()) + " ")}
    return {one for one in found if len(re.findall(r"[A-Za-z]{2,}", one)) >= 4}


def test_the_email_about_an_export_leads_to_the_page_and_signs_nobody_in() -> None:
    message = question(GrantNotice("export_ready", NOON + timedelta(days=1), None))
    for text in texts(message):
        assert "https://signup.test/me/export" in text
        assert not re.search(r"/sign-in/\w", text), "no link of it opens anything by itself"
        plain = " ".join(re.sub(r"<[^>]+>", " ", unescape(text)).split())
        assert "The file is ready until November 24, 2026" in plain and "you have to be signed in" in plain


@pytest.mark.parametrize("about", get_args(AboutEmail))
def test_an_email_of_a_change_has_one_link_of_its_own_purpose_for_as_long_as_it_counts(about: AboutEmail) -> None:
    mail = replace(notice_mail("confirm"), purpose=None, email=about)
    text, page = texts(written(LETTERS.email(mail, PERSON, "e_1", at=NOON)))
    tokens = re.findall(r"/email/([A-Za-z0-9_.-]+)", text)
    if about in ("taken", "done", "not_moved", "code_made"):
        assert tokens == [] and "/sign-in" in text
        return
    assert len(tokens) == 1 and tokens[0] in page
    assert mail.good_until is not None
    until = mail.good_until + (WAY_BACK if about == "old" else timedelta())
    link = LinkReader([public_half(SEED)], [SUBJECT_KEY]).read(
        tokens[0], "email_new" if about == "new" else "email_old", at=NOON
    )
    assert isinstance(link, Link) and (link.change, link.expires_at) == ("e_1", until)
