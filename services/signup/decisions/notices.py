"""The mails that signup asks the courier for."""

from datetime import datetime, timedelta

from services.signup.model import ToInvite
from shared.contracts.signup import JOIN, NoticeRequestedV1
from shared.ids import new_id

SIGN_IN_KEPT = timedelta(minutes=30)


def sign_in(candidate: str, *, at: datetime) -> NoticeRequestedV1:
    """A link to `/me` that works for half an hour."""
    return NoticeRequestedV1(notice=new_id("n"), candidate=candidate, purpose="sign_in", expires_at=at + SIGN_IN_KEPT)


def confirm(stub: ToInvite, *, number: int) -> NoticeRequestedV1:
    """The nth invitation; its link works as long as the stub is kept, and asked for twice it is the same notice."""
    notice = f"{stub.candidate}:confirm:{number}"
    return NoticeRequestedV1(
        notice=notice,
        candidate=stub.candidate,
        purpose="confirm",
        expires_at=stub.until,
        introduced_by=JOIN if stub.by_join else stub.introduced_by,
    )
