"""The mails that signup asks the courier for; their ids are random, for they stand in the mails."""

from datetime import datetime, timedelta

from services.signup.model import ToInvite
from shared.contracts.signup import JOIN, NoticeRequestedV2
from shared.ids import new_id

SIGN_IN_KEPT = timedelta(minutes=30)


def sign_in(candidate: str, *, at: datetime) -> NoticeRequestedV2:
    """A link to `/me` that works for half an hour."""
    return NoticeRequestedV2(notice=new_id("n"), candidate=candidate, purpose="sign_in", expires_at=at + SIGN_IN_KEPT)


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
