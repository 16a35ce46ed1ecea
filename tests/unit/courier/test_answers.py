"""What relays say for good, as they say it, and what it is about."""

import pytest
from aiosmtplib import SMTPResponse

from services.signup.courier.adapters.answers import read_no
from services.signup.courier.model import NotTaken, Refused, RefusesUs, Step

GONE = [
    # The code stands somewhere in the text.
    (550, "5.1.1 <ana@people.example>: Recipient address rejected: User unknown in virtual mailbox table", "5.1.1"),
    (550, "#5.1.1 bad destination mailbox", "5.1.1"),
    (550, "[mx1] 5.1.1 no mailbox", "5.1.1"),
    (550, "no mailbox (5.1.1).", "5.1.1"),
    (550, "5.0.350 Remote server returned an error -> 550 5.1.1 see the postmaster", "5.1.1"),
    (554, "5.0.0 the next server said: 550-5.1.1 look for typing errors", "5.1.1"),
    (550, "mx1 says:\n5.1.1 The account that you tried\n5.1.1 is not here", "5.1.1"),
    (550, "5.2.1 This account was switched off, https://help.example/5.7.1/", "5.2.1"),
    (550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "5.1.10"),
    (550, "5.1.2 Host or domain name not found", "5.1.2"),
    (556, "5.1.10 people.example takes no mail", "5.1.10"),
    # There is none, or one that says nothing, and the words do.
    (550, "No such user here", ""),
    (550, "No Such User Here", ""),
    (550, "<ana@people.example>: Recipient address rejected: User unknown in virtual mailbox table", ""),
    (550, "<ana@people.example>: Recipient address rejected: User unknown in relay recipient table", ""),
    (550, "5.1.0 <ana@people.example>: User unknown", "5.1.0"),
    (550, "5.0.0 unknown user", "5.0.0"),
    (553, "5.3.0 <ana@people.example>... User unknown", "5.3.0"),
    (550, "no such recipient", ""),
    (550, "sorry,\nno such\nmailbox here by that name", ""),
    (550, "Recipient not found", ""),
    (550, "ana@people.example: this user doesn't exist", ""),
    (550, "The email account that you tried to reach does not exist", ""),
    (554, "delivery error: dd This user doesn't have a mail.example account (ana@people.example) [0]", ""),
    (554, "30 Sorry, cannot be delivered. This mailbox is disabled", ""),
    (550, "Account has been closed", ""),
]
OF_THE_MAIL = [
    (550, "", ""),
    (550, "Requested action not taken: mailbox unavailable", ""),
    (550, "5.1.0 Address rejected.", "5.1.0"),
    (550, "<ana@people.example>: Recipient address rejected", ""),
    (550, "5.4.1 Recipient address rejected: Access denied. [AM1.prod.example 2026-11-27]", "5.4.1"),
    (550, "5.4.4 Unable to route", "5.4.4"),
    (552, "5.2.2 mailbox is full", "5.2.2"),
    (550, "user unknown or mailbox full", ""),
    (552, "mailbox full, no such user", ""),
    (550, "5.2.2 The account is over quota; see 4.2.2", "5.2.2"),
    (551, "User not local; please try <forward@people.example>", ""),
    (550, "<no.such.user@people.example>, no thanks", ""),
    (550, "mailbox unavailable at 10.5.1.1 and 5.1.1.10, mx-5.1.1.example, ana-5.1.1@people.example", ""),
]
OF_US_PERHAPS = [
    (550, "5.7.27 the domain of your sender takes no mail", "5.7.27"),
    (553, "5.1.8 the domain of your sender does not exist", "5.1.8"),
    (553, "5.1.7 bad sender", "5.1.7"),
    (530, "5.7.0 authentication required", "5.7.0"),
    (535, "who are you", ""),
    (550, "5.7.13 account disabled", "5.7.13"),
    (550, "5.7.1 unable to relay", "5.7.1"),
    (550, "relay not permitted", ""),
    (550, "5.1.0 <bounces@fairpool.test>: Sender address rejected: User unknown in virtual mailbox table", "5.1.0"),
    (550, "Verification failed for <bounces@fairpool.test>\nSent: RCPT TO:<bounces@fairpool.test>\n"
          "Response: 550 5.1.1 no such user\nSender verify failed", "5.1.1"),
    (550, "Domain of sender address bounces@fairpool.test does not exist", ""),
    (550, "your account has been disabled", ""),
    (554, "Message rejected: Email address is not verified", ""),
    (550, "5.5.0 Requested action not taken: mailbox unavailable", "5.5.0"),
    (550, "blocked by the list at list.example", ""),
]  # fmt: skip


@pytest.mark.parametrize(("code", "words", "status"), GONE)
@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_no_such_mailbox_is_read_wherever_the_code_stands_and_from_plain_words(
    step: Step, code: int, words: str, status: str
) -> None:
    assert read_no(step, SMTPResponse(code, words)) == Refused(f"{code} {status}".rstrip(), mailbox_gone=True)


@pytest.mark.parametrize(("code", "words", "status"), [told for told in GONE if not told[1].startswith("Account")])
def test_a_relay_that_says_it_only_after_the_words_is_heard_too(code: int, words: str, status: str) -> None:
    assert read_no("words", SMTPResponse(code, words)) == Refused(f"{code} {status}".rstrip(), mailbox_gone=True)


@pytest.mark.parametrize(("code", "words", "status"), OF_THE_MAIL)
def test_a_no_that_leaves_open_whether_the_mailbox_is_there_declares_nobody_dead(
    code: int, words: str, status: str
) -> None:
    assert read_no("RCPT", SMTPResponse(code, words)) == Refused(f"{code} {status}".rstrip())


def test_a_mailbox_that_gets_too_much_now_is_not_gone() -> None:
    said = "5.2.1 The user is receiving mail at a rate that prevents additional messages"
    assert read_no("RCPT", SMTPResponse(550, said)) == Refused("550 5.2.1")
    assert read_no("RCPT", SMTPResponse(550, "5.2.1 disabled")) == Refused("550 5.2.1", mailbox_gone=True)


@pytest.mark.parametrize("words", ["5.4.6 Sender Hourly Quota Exceeded", "5.4.5 Daily sending quota exceeded"])
def test_a_quota_of_ours_that_is_used_up_is_no_word_about_the_recipient(words: str) -> None:
    assert isinstance(read_no("RCPT", SMTPResponse(550, words)), RefusesUs)


@pytest.mark.parametrize(("code", "words", "status"), OF_US_PERHAPS)
@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_once_the_relay_heard_of_a_recipient_no_refusal_is_certainly_about_us(
    step: Step, code: int, words: str, status: str
) -> None:
    detail = f"{code} {status}".rstrip()
    assert read_no(step, SMTPResponse(code, words)) == RefusesUs(step, detail, certain=False)


@pytest.mark.parametrize(("code", "words", "status"), OF_US_PERHAPS)
def test_before_the_recipient_it_certainly_is(code: int, words: str, status: str) -> None:
    assert read_no("MAIL", SMTPResponse(code, words)) == RefusesUs("MAIL", f"{code} {status}".rstrip())


@pytest.mark.parametrize(
    ("code", "words", "is_doubt"),
    [
        (550, "5.7.13 account disabled", True),
        (535, "5.7.8 password", True),
        (553, "5.1.8 your domain", True),
        (554, "Message rejected: Email address is not verified", True),
        (554, "Message rejected: Sending paused for this account", True),
        (550, "The from address does not match a verified Sender Identity", True),
        (550, "5.4.5 Daily user sending limit exceeded", True),
        (550, "5.7.0 Mail relay denied", True),
        (550, "5.7.1 Invalid credentials for relay", True),
        (550, "5.7.1 an unusual rate of mail from your IP address", True),
        (550, "5.7.30 no DKIM signature that passes", True),
        (550, "5.7.515 Access denied, the domain does not meet the level", True),
        (550, "5.1.90 too many recipients today", True),
        (554, "Message rejected: Account has been disabled", False),
        (554, "spam", False),
        (554, "5.7.1 spam", False),
    ],
)
def test_after_the_words_too_what_names_us_is_a_doubt_and_what_does_not_is_of_the_mail(
    code: int, words: str, is_doubt: bool
) -> None:
    no = read_no("words", SMTPResponse(code, words))
    assert no == (RefusesUs("words", no.detail, certain=False) if is_doubt else Refused(no.detail))  # type: ignore[union-attr]  # none is for now


@pytest.mark.parametrize("step", ["RCPT", "DATA", "words"])
@pytest.mark.parametrize(
    ("code", "words"),
    [(421, "no such user"), (450, "5.1.1 user unknown"), (451, "4.7.1 try later"), (452, "4.2.2 full"), (550, "4.2.2 full")],
)  # fmt: skip
def test_what_is_said_for_now_is_never_a_bounce(step: Step, code: int, words: str) -> None:
    assert isinstance(read_no(step, SMTPResponse(code, words)), NotTaken)
