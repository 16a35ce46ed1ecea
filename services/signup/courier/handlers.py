"""What the courier does with the events it hears."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from services.signup.courier.decisions import (
    after_decision,
    after_email_notice,
    after_export,
    after_grant_notice,
    after_notice,
    kept_of,
)
from services.signup.courier.model import Mail
from services.signup.courier.ports import Incoming
from shared.contracts import grants
from shared.contracts.consent import ConsentChanged, GrantNoticedV1
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.contracts.signup import (
    CandidateErasedV1,
    EmailNoticeRequestedV1,
    ExportReadyV1,
    NoticeRequestedV1,
    NoticeRequestedV2,
)
from shared.messaging.envelope import Received
from shared.messaging.replays import note_replays


async def on_outreach_decided(store: Incoming, received: Sequence[Received[OutreachDecidedV1]]) -> None:
    """Keeps the highest version of each outreach; an admitted one is a mail to send, any other stops an unsent one."""
    events = _highest(item.event for item in received)
    known = await store.known(sorted(events))
    after = [after_decision(known.get(name), event) for name, event in sorted(events.items())]
    mails = [_addressed(mail) for mail in after if mail is not None]
    await store.keep(
        [mail for mail in mails if mail.id not in known], [mail for mail in mails if mail.id in known], at=store.at
    )


async def on_notice_requested(
    store: Incoming, received: Sequence[Received[NoticeRequestedV1]] | Sequence[Received[NoticeRequestedV2]]
) -> None:
    """Each notice is one mail to send."""
    mails = {item.event.notice: _addressed(after_notice(item.event)) for item in received}
    await store.keep([mails[name] for name in sorted(mails)], [], at=store.at)


async def on_grant_noticed(store: Incoming, received: Sequence[Received[GrantNoticedV1]]) -> None:
    """As any notice."""
    mails = {item.event.notice: _addressed(after_grant_notice(item.event)) for item in received}
    await store.keep([mails[name] for name in sorted(mails)], [], at=store.at)


async def on_export_ready(store: Incoming, received: Sequence[Received[ExportReadyV1]]) -> None:
    """As any notice."""
    mails = {item.event.notice: _addressed(after_export(item.event)) for item in received}
    await store.keep([mails[name] for name in sorted(mails)], [], at=store.at)


async def on_email_notice(store: Incoming, received: Sequence[Received[EmailNoticeRequestedV1]]) -> None:
    """As any notice."""
    mails = {item.event.notice: _addressed(after_email_notice(item.event)) for item in received}
    await store.keep([mails[name] for name in sorted(mails)], [], at=store.at)


async def on_consent_changed(
    store: Incoming, received: Sequence[Received[ConsentChanged]], positions: Mapping[int, int]
) -> None:
    """The projection that each send is checked against."""
    newest = grants.newest((item.event for item in received), now=store.at)
    refused = await store.keep_consents(
        [kept_of(event, newest.no_at[who]) for who, event in newest.by_candidate.items()], positions
    )
    note_replays(received, newest.replayed | {(one, newest.by_candidate[one].version) for one in refused})


async def on_candidate_erased(store: Incoming, received: Sequence[Received[CandidateErasedV1]]) -> None:
    """Nothing is kept of them but that they were emailed; what waits for them is withheld, for the vault has nobody."""
    await store.erase(sorted({item.event.candidate for item in received}))


async def erase_again(store: Incoming, limit: int) -> int:
    """Erases some whom `erasures` has, as it was read back, and a backup brought back; how many."""
    erased = await store.erased_unheard(limit)
    await store.erase(erased)
    return len(erased)


def _highest(events: Iterable[OutreachDecidedV1]) -> dict[str, OutreachDecidedV1]:
    return {event.outreach: event for event in sorted(events, key=lambda event: event.version)}


def _addressed(mail: Mail) -> Mail:
    """ValueError for a candidate that is no id of ours: the vault could not even be asked."""
    if str(UUID(mail.candidate)) != mail.candidate:
        raise ValueError("expected a candidate's id as a UUID in lower case")
    return mail
