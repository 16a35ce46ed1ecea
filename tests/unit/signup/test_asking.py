"""Who asks a page to email an address."""

from datetime import timedelta

from services.signup.decisions.asking import NAMED_A_DAY, Asked, Mail, may_mail, may_name, sign_in
from services.signup.decisions.notices import SIGN_IN_KEPT
from tests.fakes.clock import NOON

SECOND = timedelta(seconds=1)


def test_whoever_names_a_mailbox_for_their_own_change_does_not_keep_its_owner_from_signing_in() -> None:
    morning = NOON - timedelta(hours=2)
    before = [Asked(by_the_same=True, at=morning, link_until=morning + SIGN_IN_KEPT)]
    for moment in range(12):
        at = NOON + moment * SECOND
        strangers = [
            Asked(one.by_the_same and one.page != "sign_in", one.at, one.link_until, one.page) for one in before
        ]
        if may_name(strangers, at=at):
            before.append(Asked(by_the_same=False, at=at, link_until=at + SIGN_IN_KEPT, page="email"))
    assert sum(one.page == "email" for one in before) == NAMED_A_DAY
    mail = sign_in(before, at=NOON + timedelta(minutes=1), used_at=morning + SECOND)
    assert mail == Mail(NOON + timedelta(minutes=1) + SIGN_IN_KEPT, is_new_link=True)


def test_what_is_named_counts_among_the_emails_of_the_day() -> None:
    sent = [Asked(by_the_same=False, at=NOON, link_until=NOON + SIGN_IN_KEPT) for _ in range(8)]
    assert not may_mail(sent, at=NOON + SECOND) and not may_name(sent, at=NOON + SECOND)
