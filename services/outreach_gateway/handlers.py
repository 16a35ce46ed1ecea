"""Messages in: read, decide, apply; each batch inside one transaction that the runtime owns."""

from collections.abc import Callable, Sequence

from services.outreach_gateway.decisions import after_windows, before_windows, is_open_to_contact, keeps_its_slot
from services.outreach_gateway.model import Ask, Cancel, Consent, Decision, Hold, Outreach, Policy, Rule
from services.outreach_gateway.ports import Epoch, Reported, Settled, Store, Windows
from shared.contracts.consent import ConsentChangedV1
from shared.contracts.outreach_gateway import OutreachRequestedV1
from shared.contracts.pool_matching import MembershipsChangedV1
from shared.contracts.signup import CandidateKeyPublishedV1, OutreachOutcomeReportedV1
from shared.messaging.envelope import Received

IsSuspended = Callable[[str], bool]
"""Whether a tenant is suspended."""


async def on_outreach_requested(
    store: Store,
    windows: Windows,
    policy: Policy,
    suspended: IsSuspended,
    batch: Sequence[Received[OutreachRequestedV1]],
) -> None:
    """Decides what was submitted."""
    epoch = await store.hold_epoch()
    rows = await store.lock_live([item.event.outreach for item in batch])
    await decide(store, windows, policy, suspended, rows, epoch)


async def on_due(store: Store, windows: Windows, policy: Policy, suspended: IsSuspended, *, limit: int) -> int:
    """Decides again what has come due, against the present state; how many there were."""
    epoch = await store.hold_epoch()
    rows = await store.take_due(limit)
    await decide(store, windows, policy, suspended, rows, epoch)
    return len(rows)


async def decide(
    store: Store, windows: Windows, policy: Policy, suspended: IsSuspended, rows: Sequence[Outreach], epoch: Epoch
) -> None:
    """Locked rows in, decisions out: first what the person allows, then the windows, all in one call."""
    if not rows:
        return
    people = await store.people([row.candidate for row in rows])
    first = [
        before_windows(policy, row, people[row.candidate], sender_is_suspended=suspended(row.employer), at=store.at)
        for row in rows
    ]
    asks = [verdict for verdict in first if isinstance(verdict, Ask)]
    answers = iter(await windows.book(asks, epoch) if asks else ())
    settled = [
        _settled(row, after_windows(policy, next(answers)) if isinstance(verdict, Ask) else verdict)
        for row, verdict in zip(rows, first, strict=True)
    ]
    await give_back(windows, settled, epoch)
    await store.settle(settled)


async def on_consent_changed(store: Store, windows: Windows, batch: Sequence[Received[ConsentChangedV1]]) -> None:
    """Keeps the new state, cancels what waits for whoever withdrew, and looks again at what was held for a grant."""
    epoch = await store.hold_epoch()
    await store.keep_consents([_consent(item.event) for item in batch])
    candidates = sorted({item.event.candidate for item in batch})
    waiting = await store.lock_waiting_of(candidates)
    people = await store.people(candidates)
    settled = [
        _settled(row, Cancel(rule))
        for row in waiting
        if (rule := _no_longer_allowed(row, people[row.candidate].consent, store)) is not None
    ]
    await give_back(windows, settled, epoch)
    await store.settle(settled)
    await store.look_again(candidates)


async def on_memberships_changed(store: Store, batch: Sequence[Received[MembershipsChangedV1]]) -> None:
    """Keeps which employers hold the person in a pool, and looks again at what was held for that."""
    newest = {item.event.candidate: item.event for item in sorted(batch, key=lambda item: item.event.version)}
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
    await store.keep_keys({candidate: (event.version, event.public_key) for candidate, event in newest.items()})


async def on_keys_removed(store: Store, candidates: Sequence[str]) -> None:
    """Forgets the keys of people whom signup has forgotten."""
    await store.forget_keys(candidates)


async def on_outcome_reported(
    store: Store, windows: Windows, batch: Sequence[Received[OutreachOutcomeReportedV1]]
) -> None:
    """Writes what became of admitted outreach; withheld mail gives its slot back."""
    epoch = await store.hold_epoch()
    withheld = await store.report(
        [
            Reported(item.event.outreach, item.event.decision_version, item.event.outcome, item.event.detail)
            for item in batch
        ]
    )
    settled = [_settled(row, Cancel(Rule.CONTACT_NOT_GRANTED)) for row in withheld]
    await give_back(windows, settled, epoch)
    await store.settle(settled)


async def give_back(windows: Windows, settled: Sequence[Settled], epoch: Epoch) -> None:
    """Releases the slots of whatever will not be sent."""
    gone = [
        item.outreach for item in settled if not keeps_its_slot(item.decision) and not isinstance(item.decision, Hold)
    ]
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
