"""The mails that signup asks the courier for; their ids are random, for they stand in the mails."""

from datetime import datetime, timedelta

from services.signup.model.invitations import ToInvite
from shared.contracts.signup import JOIN, AboutEmail, ChangeNoticed, EmailNoticeRequestedV1, NoticeRequestedV2
from shared.ids import new_id

SIGN_IN_KEPT = timedelta(minutes=15)
CHANGED_KEPT = timedelta(days=3)
"""Nobody waits for it: over a weekend."""


def sign_in(candidate: str, *, at: datetime) -> NoticeRequestedV2:
    """A link that signs in, once, within a quarter of an hour."""
    return NoticeRequestedV2(notice=new_id("n"), candidate=candidate, purpose="sign_in", expires_at=at + SIGN_IN_KEPT)


def profile_changed(candidate: str, *, changed_at: datetime, at: datetime) -> NoticeRequestedV2:
    """What employers may see was changed, then; whoever holds one of the person's links can do that."""
    return NoticeRequestedV2(
        notice=new_id("n"),
        candidate=candidate,
        purpose="changed",
        expires_at=at + CHANGED_KEPT,
        changes=(ChangeNoticed(at=changed_at, what="profile_changed"),),
    )


def confirm(stub: ToInvite) -> NoticeRequestedV2:
    """An invitation; its link works as long as the stub is kept."""
    return NoticeRequestedV2(
        notice=new_id("n"),
        candidate=stub.candidate,
        purpose="confirm",
        expires_at=stub.until,
        introduced_by=JOIN if stub.by_join else stub.introduced_by,
        introduced_at=stub.introduced_at,
    )


def email(candidate: str, about: AboutEmail, *, until: datetime) -> EmailNoticeRequestedV1:
    """What a mailbox is told, or asked, of a change of the person's email."""
    return EmailNoticeRequestedV1(notice=new_id("n"), candidate=candidate, about=about, expires_at=until)
