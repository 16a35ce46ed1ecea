"""Messages in: read, decide, apply; each batch inside one transaction that the runtime owns."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import assert_never

import structlog

from services.outreach_gateway.decisions import after_windows, is_open_to_contact
from services.outreach_gateway.model import (
    SHARDS,
    TAKES_ITS_SLOT,
    Answer,
    Cancel,
    Consent,
    Decision,
    Drop,
    Hold,
    Memberships,
    Outreach,
    Person,
    Policy,
    Queue,
    Rule,
    Standing,
    State,
    shard_of,
)
from services.outreach_gateway.ports.outreach import Reported, Settled, Store
from services.outreach_gateway.ports.windows import Windows, WindowsHeldError
from services.outreach_gateway.queue import line_up
from shared.contracts import grants
from shared.contracts.consent import ConsentChanged, MessageWishedV1
from shared.contracts.outreach_gateway import OutreachRequestedV1
from shared.contracts.pool_matching import MembershipsChangedV1
from shared.contracts.signup import (
    CandidateErasedV1,
    CandidateKeyPublishedV1,
    MailboxChangedV1,
    OutreachOutcomeReportedV1,
)
from shared.facts import UNKNOWN, Fact, Known, Unknown
from shared.messaging.envelope import Received
from shared.messaging.replays import note_replays
from shared.runner.model import Again, Job

StandingOf = Callable[[str], Fact[Standing]]
"""What this process knows of a tenant."""

_LOOKS_AGAIN_AFTER = timedelta(milliseconds=200)
"""At what is due still: of whom somebody else was deciding for, or whose windows were lost meanwhile."""
_HELD_FOR = timedelta(seconds=1)
_log = structlog.get_logger(__name__)


async def on_outreach_requested(
    store: Store,
    batch: Sequence[Received[OutreachRequestedV1]],
    windows: Windows,
    policy: Policy,
    standing: StandingOf,
) -> None:
    """Decides what was submitted."""
    # Before the rows, as a withdrawal takes them: what is not seen by it yet waits here until it is written.
    await store.lock_people([item.event.candidate for item in batch])
    rows = await store.lock_live([item.event.outreach for item in batch])
    await decide(store, windows, policy, standing, rows)


async def on_due(
    store: Store, work: Sequence[Job], windows: Windows, policy: Policy, standing: StandingOf, limit: int
) -> Again:
    """Decides again what has come due of these people, against the present state; what is left of theirs comes at its time.

    Who has to wait for their windows comes again in a second; WindowsHeldError where that is everybody.
    """
    if len(windows.held) == SHARDS:
        raise WindowsHeldError("the windows of all shards are held")
    candidates = sorted({job.key for job in work})
    held = [candidate for candidate in candidates if shard_of(candidate) in windows.held]
    free = [candidate for candidate in candidates if candidate not in held]
    await decide(store, windows, policy, standing, await store.take_due(free, limit))
    soon, at_last = store.at + _LOOKS_AGAIN_AFTER, store.at + _HELD_FOR
    left = {candidate: max(at, soon) for candidate, at in (await store.next_due(free)).items()}
    return left | dict.fromkeys(held, at_last)


async def on_senders_suspended(store: Store, standing: StandingOf, employers: Sequence[str], *, limit: int) -> int:
    """Drops some of what these employers have waiting, so that others move up; how many it looked at.

    Asked again once the rows are locked: who was reinstated in between loses nothing more.
    """
    rows = await store.take_waiting_of_senders(employers, limit)
    settled = [
        _settled(row, Drop(Rule.SENDER_SUSPENDED))
        for row in rows
        if standing(row.employer) == Known(Standing.SUSPENDED)
    ]
    await store.settle(settled)
    await store.plan_again(sorted({item.outreach.candidate for item in settled}))
    return len(settled)


async def decide(
    store: Store, windows: Windows, policy: Policy, standing: StandingOf, rows: Sequence[Outreach]
) -> None:
    """Locked rows of locked people in, decisions out: for each person first the rules, then the windows, for their whole queue.

    Whoever is moved by this, behind the rows or before them, is written in the same transaction. What waits for a person
    whose windows are held is due as soon as they are back, and holds nobody else.
    """
    if not rows:
        return
    candidates = sorted({row.candidate for row in rows})
    people = await store.people(candidates)
    of_person: dict[str, dict[str, Outreach]] = {candidate: {} for candidate in candidates}
    for row in (*await store.places(candidates), *rows):
        of_person[row.candidate][row.id] = row
    waiting = [row for of in of_person.values() for row in of.values() if row.state not in TAKES_ITS_SLOT]
    earlier: dict[str, dict[str, Sequence[Outreach]]] = {candidate: {} for candidate in candidates}
    for (candidate, employer), wrote in (
        await store.earlier({(row.candidate, row.employer) for row in waiting})
    ).items():
        earlier[candidate][employer] = wrote
    sender = cache(standing)  # a batch's messages are of few employers
    lines = [
        line_up(
            policy,
            people[candidate],
            of_person[candidate].values(),
            sender=sender,
            at=store.at,
            earlier=earlier[candidate],
        )
        for candidate in candidates
    ]
    queues = [line.queue for line in lines if line.queue is not None]
    answers = iter(await _book(store, windows, queues))
    decided: list[tuple[Outreach, Decision]] = []
    held: list[str] = []
    for line in lines:
        decided += line.decided
        if line.queue is None:
            continue
        booked = next(answers)
        if booked is None:
            held.append(line.queue.candidate)
            continue
        decided += [
            (turn.asked.outreach, after_windows(policy, turn.asked, turn.ask, turn.verdict, answer))
            for turn, answer in zip(line.turns, booked, strict=True)
        ]
    wanted = {row.id for row in rows}
    moved_or_wanted = [(row, what) for row, what in decided if row.id in wanted or not isinstance(what, Hold)]
    await store.settle([_settled(row, what) for row, what in moved_or_wanted])
    if held:
        await store.look_again(held)
    if unknown := sorted(one for one in {row.employer for row in rows} if sender(one) == UNKNOWN):
        _log.warning("senders_not_heard_of", employers=unknown)


async def _book(store: Store, windows: Windows, queues: Sequence[Queue]) -> Sequence[Sequence[Answer] | None]:
    if not queues:
        return ()
    shards = sorted({shard_of(queue.candidate) for queue in queues})
    return await windows.book(queues, await store.hold_epochs(shards))


async def on_consent_changed(store: Store, batch: Sequence[Received[ConsentChanged]]) -> None:
    """Keeps the new state, cancels what waits for whoever withdrew, and looks again at all else that waits for these people."""
    await store.hold_erasures()
    newest = grants.newest((item.event for item in batch), now=store.at)
    refused = await store.keep_consents(
        [_consent(event, newest.no_at[who]) for who, event in newest.by_candidate.items()]
    )
    note_replays(batch, newest.replayed | {(one, newest.by_candidate[one].version) for one in refused})
    candidates = sorted({item.event.candidate for item in batch})
    waiting = await store.lock_waiting_of(candidates)
    people = await store.people(candidates)
    settled = [
        _settled(row, Cancel(rule))
        for row in waiting
        if row.state
        is State.DELAYED  # what was only submitted is told in its own turn: it may have overtaken its grant
        and (rule := _no_longer_allowed(row, people[row.candidate], store)) is not None
    ]
    await store.settle(settled)
    await store.plan_again(candidates)


async def on_message_wished(store: Store, batch: Sequence[Received[MessageWishedV1]]) -> None:
    """What a person wants next is first in their queue, and all that waits for them is planned again; no window is passed by it."""
    latest = {item.event.outreach: item.event for item in sorted(batch, key=lambda item: item.event.at)}
    await store.lock_people(sorted({event.candidate for event in latest.values()}))
    noted = await store.wish({id: (event.candidate, event.at) for id, event in latest.items()})
    await store.plan_again(sorted(noted))


async def on_mailbox_changed(store: Store, batch: Sequence[Received[MailboxChangedV1]]) -> None:
    """Keeps whether anything reaches the person; when nothing does, all that has a slot ends, as on a withdrawal."""
    newest = {item.event.candidate: item.event for item in sorted(batch, key=lambda item: item.event.version)}
    if not newest:
        return
    candidates = sorted(newest)
    await store.hold_erasures()
    await store.lock_people(candidates)
    await store.keep_mailboxes({candidate: (event.version, event.reachable) for candidate, event in newest.items()})
    people = await store.people(candidates)
    gone = [candidate for candidate in candidates if people[candidate].reachable == Known(value=False)]
    settled = [
        _settled(row, Cancel(Rule.MAILBOX_GONE))
        for row in await store.lock_waiting_of(gone)
        if row.state is State.DELAYED  # what was only submitted is told in its own turn, as every refusal is
    ]
    await store.settle(settled)
    await store.look_again(candidates)


async def on_memberships_changed(store: Store, batch: Sequence[Received[MembershipsChangedV1]]) -> None:
    """Keeps which pools hold the person, and looks again at what was held for that."""
    newest = {item.event.candidate: item.event for item in sorted(batch, key=lambda item: item.event.version)}
    await store.hold_erasures()
    await store.lock_people(sorted(newest))
    await store.keep_memberships(
        {
            candidate: (
                event.version,
                Memberships(
                    frozenset(member.employer for member in event.pools),
                    frozenset(member.pool for member in event.pools),
                    event.generation,
                    frozenset((member.employer, member.pool) for member in event.pools),
                ),
            )
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


async def on_candidate_erased(store: Store, batch: Sequence[Received[CandidateErasedV1]]) -> None:
    """Nothing is kept of them any more, whatever comes later; what has a slot ends, and what was only submitted in its turn."""
    await erase(store, sorted({item.event.candidate for item in batch}))


async def erase_again(store: Store, limit: int) -> int:
    """Erases some whom `erasures` has, as it was read back, and a backup brought back; how many."""
    erased = await store.erased_unheard(limit)
    await erase(store, erased)
    return len(erased)


async def erase(store: Store, candidates: Sequence[str]) -> None:
    """The same by the ids alone."""
    if not candidates:
        return
    await store.begin_erasure()
    await store.lock_people(candidates)
    await store.erase(candidates)
    waiting = [row for row in await store.lock_waiting_of(candidates) if row.state is State.DELAYED]
    await store.settle([_settled(row, Cancel(Rule.CONTACT_NOT_GRANTED)) for row in waiting])
    await store.look_again(candidates)
    due = await store.next_due(candidates)
    store.decide_no_more([candidate for candidate in candidates if candidate not in due])


async def on_outcome_reported(store: Store, batch: Sequence[Received[OutreachOutcomeReportedV1]]) -> None:
    """Writes what became of admitted outreach; what did not arrive (withheld, bounced) leaves its slot to those who wait."""
    await store.lock_people([item.event.candidate for item in batch])
    freed = await store.report([_reported(item.event) for item in batch])
    people = await store.people([row.candidate for row in freed.withheld])
    of_senders = {item.event.outreach for item in batch if item.event.sender_suspended}
    settled = [
        _settled(row, Cancel(_why_withheld(people[row.candidate], sender_suspended=row.id in of_senders)))
        for row in freed.withheld
    ]
    await store.settle(settled)
    await store.plan_again(sorted({row.candidate for row in (*freed.withheld, *freed.bounced)}))


def _reported(event: OutreachOutcomeReportedV1) -> Reported:
    rule = Rule.MAILBOX_GONE if event.mailbox_gone else None
    return Reported(event.outreach, event.decision_version, event.outcome, event.detail, rule, event.at)


def _why_withheld(person: Person, *, sender_suspended: bool) -> Rule:
    if sender_suspended:
        return Rule.SENDER_SUSPENDED
    return Rule.MAILBOX_GONE if person.reachable == Known(value=False) else Rule.CONTACT_NOT_GRANTED


def _settled(row: Outreach, decision: Decision) -> Settled:
    return Settled(row, decision, getattr(decision, "rule", None))


def _no_longer_allowed(row: Outreach, person: Person, store: Store) -> Rule | None:
    if person.erased:
        return Rule.CONTACT_NOT_GRANTED
    match person.consent:
        case Known(consent) if not is_open_to_contact(consent, at=store.at):
            return Rule.CONTACT_NOT_GRANTED
        case Known(consent):
            return Rule.EMPLOYER_BLOCKED if grants.shuts_out(consent, row.employer) else None
        case Unknown():
            return None
        case _:
            assert_never(person.consent)


def _consent(event: ConsentChanged, no_at: datetime | None) -> Consent:
    limits = event.limits
    quiet = limits.quiet_hours
    return Consent(
        candidate=event.candidate,
        version=event.version,
        contact=grants.allows_contact(event.purposes),
        blocked_employers=frozenset(limits.blocked_employers),
        first_contacts_per_week=limits.first_contacts_per_week,
        min_gap_hours=limits.min_gap_hours,
        quiet_start=quiet.start if quiet else None,
        quiet_end=quiet.end if quiet else None,
        time_zone=limits.time_zone,
        paused_until=event.paused_until,
        ends_at=event.ends_at,
        lifts_no_until=event.lifts_no_until,
        no_at=no_at,
    )
