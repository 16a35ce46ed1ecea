"""Messages in, and the work that they leave to be done."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.consent import decisions
from services.consent.decisions import Changed
from services.consent.model import EndedSession, Introduction, NamedEmployer, VoidLinks
from services.consent.ports import Consents, Exports, Messages, Tellings, Writes
from shared.contracts.base import Event
from shared.contracts.operator import TenantChangedV1
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.contracts.pool_matching import DisclosedV1, DisclosureEndedV1, MembershipsChangedV1, PoolChangedV1
from shared.contracts.signup import (
    CandidateClaimedV1,
    CandidateErasedV1,
    CandidateHiredV1,
    CandidateLapsedV1,
    CandidateRegisteredV1,
    ExportRequestedV1,
    LinksVoidedV1,
    OutreachOutcomeReportedV1,
    SessionEndedV1,
)
from shared.messaging.envelope import Received, only
from shared.runner.model import Again, Job

_LOOKED_FOR = timedelta(minutes=2)
"""Longer than a save may take that has not seen the employer yet: nobody falls between the two."""
_LOOKS_EVERY = timedelta(seconds=10)
"""For whoever named an employer that their save did not see yet."""


async def on_candidate_registered(consents: Consents, events: Sequence[Received[CandidateRegisteredV1]]) -> None:
    """Each new person has a row in which nothing is on; one that their own link made first stays as it is."""
    await consents.register([item.event.candidate for item in events])


async def on_candidate_claimed(consents: Consents, events: Sequence[Received[CandidateClaimedV1]]) -> None:
    """Who told of a person is named on the page on which they answer."""
    told = [Introduction(one.candidate, one.employer or one.vendor, one.at) for one in (item.event for item in events)]
    if told:
        await consents.introduce(told)


async def on_candidate_lapsed(
    consents: Consents, events: Sequence[Received[CandidateLapsedV1]], writes: Writes
) -> None:
    """Whoever never answered is closed for good, and signup may erase them; whoever answered is kept, and confirms by it.

    A no to the invitation was confirmed to somebody: where it finds an earlier answer, everything stops, and the person is told.
    """
    closed = await consents.close_unanswered([item.event.candidate for item in events])
    refused_at: dict[str, datetime] = {}
    for event in (item.event for item in events):
        if event.reason == "refused" and event.candidate not in closed:
            refused_at[event.candidate] = max(event.at, refused_at.get(event.candidate, event.at))
    for candidate, at in sorted(refused_at.items()):
        present = await consents.lock(candidate)
        outcome = decisions.refuse(present, at)
        if isinstance(outcome, Changed):
            await consents.append(writes(present, outcome.choices, consents.at, "refuse"))
            await consents.note_change(candidate, "everything_stopped")


async def on_candidate_erased(consents: Consents, events: Sequence[Received[CandidateErasedV1]]) -> None:
    """Whoever was erased is closed for good, in any order with what else is told of them."""
    await consents.close([item.event.candidate for item in events])


async def on_session_ended(consents: Consents, events: Sequence[Received[SessionEndedV1]]) -> None:
    """A session that was ended opens nothing here, as long as it would have worked; in any order with all else."""
    await consents.end_sessions(
        [EndedSession(one.candidate, one.session, one.expires_at) for one in (item.event for item in events)]
    )


async def on_links_voided(consents: Consents, events: Sequence[Received[LinksVoidedV1]]) -> None:
    """Links of before open nothing here any more; told again, or in another order, the latest moment stays."""
    await consents.void_links(
        [VoidLinks(one.candidate, one.before, one.until) for one in (item.event for item in events)]
    )


async def on_export_requested(exports: Exports, events: Sequence[Received[ExportRequestedV1]]) -> None:
    """Who takes along what is kept of them is answered by the runner, one at a time: it may be much."""
    exports.answer_later([item.event for item in events])


async def on_candidate_hired(consents: Consents, events: Sequence[Received[CandidateHiredV1]]) -> None:
    """Whoever allows something is asked, at most once a month, whether they want to pause, stop or stay; nothing changes by it."""
    told_by = {item.event.candidate: item.event.employer or item.event.vendor for item in events}
    for candidate, teller in sorted(told_by.items()):
        present = await consents.lock(candidate)
        if decisions.is_on(present.choices, consents.at):
            await consents.ask_whether_hired(present, teller)


async def on_tenant_changed(consents: Consents, events: Sequence[Received[TenantChangedV1]]) -> None:
    """An employer of a new name or domain is to be blocked for those who named it, whether they did so long ago or just now."""
    employers = [
        NamedEmployer(tenant.tenant, tenant.version, decisions.keys_of_employer(tenant.name, tenant.domain))
        for tenant in (item.event for item in events)
        if tenant.kind == "employer"
    ]
    if employers:
        await consents.keep_employers(employers, consents.at + _LOOKED_FOR)


async def on_blocks(consents: Consents, work: Sequence[Job], writes: Writes, most: int) -> Again:
    """Blocks each of these employers for so many of those who named it before we knew it; the rest at once after that.

    One is looked for again until nobody can have named it without seeing it: a save that was under way is found so.
    """
    again = {}
    for job in work:
        blocking = await consents.blocking(job.key)
        if blocking is None:
            continue
        people = await consents.who_named(blocking, most)
        for present in people:
            outcome = decisions.block_employer(present, blocking.employer)
            if isinstance(outcome, Changed):
                await consents.append(writes(present, outcome.choices, consents.at, "name"))
                await consents.note_change(present.candidate, "employer_stopped", blocking.employer, by_name=True)
        if len(people) == most:
            again[job.key] = consents.at
        elif people or consents.at < blocking.until:
            again[job.key] = consents.at + _LOOKS_EVERY
        else:
            await consents.end_blocking(blocking.employer)
    return again


async def on_outreach_decided(messages: Messages, events: Sequence[Received[OutreachDecidedV1]]) -> None:
    """Each message is on its person's page, as it was decided last."""
    await messages.hold_erasures()
    await messages.keep_decisions([item.event for item in events])


async def on_outcome_reported(messages: Messages, events: Sequence[Received[OutreachOutcomeReportedV1]]) -> None:
    """So is what became of it, whichever of the two is heard first."""
    await messages.hold_erasures()
    await messages.keep_reports([item.event for item in events])


async def on_disclosures(tellings: Tellings, events: Sequence[Received[Event]]) -> None:
    """What an employer could read of a person is kept for them to see, and until when."""
    began = [item.event for item in only(DisclosedV1, events)]
    ended = [item.event for item in only(DisclosureEndedV1, events)]
    kept = await tellings.hold({event.candidate for event in began} | {event.candidate for event in ended})
    await tellings.note_disclosures([event for event in began if event.candidate in kept])
    await tellings.end_disclosures([event for event in ended if event.candidate in kept])


async def on_memberships_changed(tellings: Tellings, events: Sequence[Received[MembershipsChangedV1]]) -> None:
    """Which pools a person is in is kept for them to see; what could be read in those that they left is over.

    Each of several lists of one person counts: who left a pool and came back is not shown there until they are listed anew.
    """
    kept = await tellings.hold({item.event.candidate for item in events})
    turns: list[dict[str, tuple[MembershipsChangedV1, datetime]]] = []
    for item in sorted(events, key=lambda item: item.event.version):
        if item.event.candidate in kept:
            turn = next((one for one in turns if item.event.candidate not in one), None)
            if turn is None:
                turns.append(turn := {})
            turn[item.event.candidate] = (item.event, item.time or tellings.at)
    for turn in turns:
        await tellings.note_memberships(list(turn.values()))


async def on_pools_changed(tellings: Tellings, events: Sequence[Received[PoolChangedV1]]) -> None:
    """What pools ask for is kept, since it is why somebody is in one."""
    newest = {item.event.pool: item.event for item in sorted(events, key=lambda item: item.event.version)}
    await tellings.note_pools(list(newest.values()))
