"""Messages in: read, decide, apply; each batch inside one transaction that the runtime owns."""

from collections.abc import Callable, Sequence

import structlog

from services.outreach_gateway.decisions import after_windows, before_windows, is_open_to_contact, keeps_its_slot
from services.outreach_gateway.model import (
    Ask,
    Cancel,
    Consent,
    Decision,
    Drop,
    Outreach,
    Person,
    Policy,
    Rule,
    Standing,
    State,
)
from services.outreach_gateway.ports import Epoch, Reported, Settled, Store, Windows
from shared.contracts.consent import ConsentChangedV1
from shared.contracts.outreach_gateway import OutreachRequestedV1
from shared.contracts.pool_matching import MembershipsChangedV1
from shared.contracts.signup import (
    CandidateErasedV1,
    CandidateKeyPublishedV1,
    MailboxChangedV1,
    OutreachOutcomeReportedV1,
)
from shared.messaging.envelope import Received

StandingOf = Callable[[str], Standing]
"""What this process knows of a tenant."""

_log = structlog.get_logger(__name__)


async def on_outreach_requested(
    store: Store,
    windows: Windows,
    policy: Policy,
    standing: StandingOf,
    batch: Sequence[Received[OutreachRequestedV1]],
) -> None:
    """Decides what was submitted."""
    epoch = await store.hold_epoch()
    # Before the rows, as a withdrawal takes them: what is not seen by it yet waits here until it is written.
    await store.share_consents([item.event.candidate for item in batch])
    rows = await store.lock_live([item.event.outreach for item in batch])
    await decide(store, windows, policy, standing, rows, epoch)


async def on_due(store: Store, windows: Windows, policy: Policy, standing: StandingOf, *, limit: int) -> int:
    """Decides again what has come due, against the present state; how many there were."""
    epoch = await store.hold_epoch()
    rows = await store.take_due(limit)
    await decide(store, windows, policy, standing, rows, epoch)
    return len(rows)


async def on_senders_suspended(
    store: Store, windows: Windows, standing: StandingOf, employers: Sequence[str], *, limit: int
) -> int:
    """Drops some of what these employers have waiting and gives their slots back to others; how many it looked at.

    Asked again once the rows are locked: who was reinstated in between loses nothing more.
    """
    epoch = await store.hold_epoch()
    rows = await store.take_waiting_of_senders(employers, limit)
    settled = [
        _settled(row, Drop(Rule.SENDER_SUSPENDED)) for row in rows if standing(row.employer) is Standing.SUSPENDED
    ]
    await give_back(windows, settled, epoch)
    await store.settle(settled)
    return len(settled)


async def decide(
    store: Store, windows: Windows, policy: Policy, standing: StandingOf, rows: Sequence[Outreach], epoch: Epoch
) -> None:
    """Locked rows in, decisions out: first what the person allows, then the windows, all in one call."""
    if not rows:
        return
    people = await store.people([row.candidate for row in rows])
    senders = {row.employer: standing(row.employer) for row in rows}
    first = [
        before_windows(policy, row, people[row.candidate], sender=senders[row.employer], at=store.at) for row in rows
    ]
    asks = [verdict for verdict in first if isinstance(verdict, Ask)]
    answers = iter(await windows.book(asks, epoch) if asks else ())
    settled = [
        _settled(
            row,
            after_windows(policy, row, verdict, next(answers), at=store.at) if isinstance(verdict, Ask) else verdict,
        )
        for row, verdict in zip(rows, first, strict=True)
    ]
    await give_back(windows, settled, epoch)
    await store.settle(settled)
    if unknown := sorted(employer for employer, known in senders.items() if known is Standing.UNKNOWN):
        _log.warning("senders_not_heard_of", employers=unknown)


async def on_consent_changed(store: Store, windows: Windows, batch: Sequence[Received[ConsentChangedV1]]) -> None:
    """Keeps the new state, cancels what waits for whoever withdrew, and looks again at what was held for a grant."""
    epoch = await store.hold_epoch()
    await store.hold_erasures()
    await store.keep_consents([_consent(item.event) for item in batch])
    candidates = sorted({item.event.candidate for item in batch})
    waiting = await store.lock_waiting_of(candidates)
    people = await store.people(candidates)
    settled = [
        _settled(row, Cancel(rule))
        for row in waiting
        if row.state
        is State.DELAYED  # what was only submitted is told in its own turn: it may have overtaken its grant
        and (rule := _no_longer_allowed(row, people[row.candidate].consent, store)) is not None
    ]
    await give_back(windows, settled, epoch)
    await store.settle(settled)
    await store.look_again(candidates)


async def on_mailbox_changed(store: Store, windows: Windows, batch: Sequence[Received[MailboxChangedV1]]) -> None:
    """Keeps whether anything reaches the person; when nothing does, all that has a slot ends, as on a withdrawal."""
    newest = {item.event.candidate: item.event for item in sorted(batch, key=lambda item: item.event.version)}
    if not newest:
        return
    candidates = sorted(newest)
    epoch = await store.hold_epoch()
    await store.hold_erasures()
    await store.lock_consents(candidates)
    await store.keep_mailboxes({candidate: (event.version, event.reachable) for candidate, event in newest.items()})
    people = await store.people(candidates)
    gone = [candidate for candidate in candidates if people[candidate].mailbox_gone]
    settled = [
        _settled(row, Cancel(Rule.MAILBOX_GONE))
        for row in await store.lock_waiting_of(gone)
        if row.state is State.DELAYED  # what was only submitted is told in its own turn, as every refusal is
    ]
    await give_back(windows, settled, epoch)
    await store.settle(settled)
    await store.look_again(candidates)


async def on_memberships_changed(store: Store, batch: Sequence[Received[MembershipsChangedV1]]) -> None:
    """Keeps which employers hold the person in a pool, and looks again at what was held for that."""
    newest = {item.event.candidate: item.event for item in sorted(batch, key=lambda item: item.event.version)}
    await store.hold_erasures()
    await store.keep_memberships(
        {
            candidate: (event.version, frozenset(pool.employer for pool in event.pools))
            for candidate, event in newest.items()
        }
    )
    await store.look_again(sorted(newest))


async def on_key_published(store: Store, batch: Sequence[Received[CandidateKeyPublishedV1]]) -> None:
    """Keeps the key to which employers' words for this person are sealed."""
    newest = {item.event.candidate: item.event for item in sorted(batch, key=lambda item: item.event.version)}
    await store.hold_erasures()
    await store.keep_keys({candidate: (event.version, event.public_key) for candidate, event in newest.items()})


async def on_keys_removed(store: Store, candidates: Sequence[str]) -> None:
    """Forgets the keys, and what is known of the mailboxes, of people whom signup has forgotten."""
    await store.forget_keys(candidates)


async def on_candidate_erased(store: Store, windows: Windows, batch: Sequence[Received[CandidateErasedV1]]) -> None:
    """Nothing is kept of them any more, whatever comes later; what has a slot ends, and what was only submitted in its turn."""
    candidates = sorted({item.event.candidate for item in batch})
    if not candidates:
        return
    epoch = await store.hold_epoch()
    await store.begin_erasure()
    await store.erase(candidates)
    waiting = [row for row in await store.lock_waiting_of(candidates) if row.state is State.DELAYED]
    settled = [_settled(row, Cancel(Rule.CONTACT_NOT_GRANTED)) for row in waiting]
    await give_back(windows, settled, epoch)
    await store.settle(settled)
    await store.look_again(candidates)


async def on_outcome_reported(
    store: Store, windows: Windows, batch: Sequence[Received[OutreachOutcomeReportedV1]]
) -> None:
    """Writes what became of admitted outreach; what did not arrive (withheld, bounced) gives its slot back."""
    epoch = await store.hold_epoch()
    freed = await store.report([_reported(item.event) for item in batch])
    people = await store.people([row.candidate for row in freed.withheld])
    of_senders = {item.event.outreach for item in batch if item.event.sender_suspended}
    settled = [
        _settled(row, Cancel(_why_withheld(people[row.candidate], sender_suspended=row.id in of_senders)))
        for row in freed.withheld
    ]
    if freed.bounced:
        await windows.release(freed.bounced, epoch)
    await give_back(windows, settled, epoch)
    await store.settle(settled)


def _reported(event: OutreachOutcomeReportedV1) -> Reported:
    rule = Rule.MAILBOX_GONE if event.mailbox_gone else None
    return Reported(event.outreach, event.decision_version, event.outcome, event.detail, rule)


def _why_withheld(person: Person, *, sender_suspended: bool) -> Rule:
    if sender_suspended:
        return Rule.SENDER_SUSPENDED
    return Rule.MAILBOX_GONE if person.mailbox_gone else Rule.CONTACT_NOT_GRANTED


async def give_back(windows: Windows, settled: Sequence[Settled], epoch: Epoch) -> None:
    """Releases the slots of whatever will not be sent."""
    gone = [item.outreach for item in settled if not keeps_its_slot(item.decision)]
    if gone:
        await windows.release(gone, epoch)


def _settled(row: Outreach, decision: Decision) -> Settled:
    return Settled(row, decision, getattr(decision, "rule", None))


def _no_longer_allowed(row: Outreach, consent: Consent | None, store: Store) -> Rule | None:
    if consent is None or not is_open_to_contact(consent, at=store.at):
        return Rule.CONTACT_NOT_GRANTED
    return Rule.EMPLOYER_BLOCKED if row.employer in consent.blocked_employers else None


def _consent(event: ConsentChangedV1) -> Consent:
    quiet = event.quiet_hours
    return Consent(
        candidate=event.candidate,
        version=event.version,
        contact="contact" in event.purposes,
        blocked_employers=frozenset(event.blocked_employers),
        first_contacts_per_week=event.first_contacts_per_week,
        min_gap_hours=event.min_gap_hours,
        quiet_start=quiet.start if quiet else None,
        quiet_end=quiet.end if quiet else None,
        time_zone=event.time_zone,
        paused_until=event.paused_until,
        ends_at=event.ends_at,
    )
