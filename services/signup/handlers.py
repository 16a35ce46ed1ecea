"""Messages in: what vendors told, and what people allow."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

import structlog

from services.signup.decisions import notices
from services.signup.decisions import showing as showing_decisions
from services.signup.decisions.inviting import may_register
from services.signup.decisions.proposing import proposals_among
from services.signup.decisions.reports import (
    STUB_KEPT,
    CameBack,
    Claimed,
    ClaimRemoved,
    DeletedAlready,
    Hired,
    Kept,
    Merged,
    Noise,
    Outcome,
    ProposalChanged,
    Registered,
    Stopped,
    Waits,
    decide,
    possible_stubs,
    waves,
)
from services.signup.mailboxes import look_up_mailboxes
from services.signup.model.erasures import Sweep
from services.signup.model.people import Record, Told
from services.signup.model.records import Claim, Picture, Showing, Stub
from services.signup.model.reports import KeptReport, Opened
from services.signup.ports.erasing import Erasures
from services.signup.ports.exports import Exports
from services.signup.ports.store import Store
from services.signup.ports.tenants import OperatorActs
from services.signup.vault.intake import open_told
from services.signup.vault.sealing import Identity, seal_identity
from services.signup.vault.secrets import VaultSecrets
from shared.contracts import grants
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChanged, ErasureConfirmedV1, ExportAnsweredV1
from shared.contracts.operator import TenantChangedV1
from shared.contracts.signup import (
    JOIN,
    CandidateClaimedV1,
    CandidateConfirmedV1,
    CandidateErasedV1,
    CandidateHiredV1,
    CandidateKeyPublishedV1,
    CandidateLapsedV1,
    CandidateMergedV1,
    CandidateRegisteredV1,
    CandidateReportedV1,
    ErasureSweptV1,
)
from shared.ids import new_candidate_id
from shared.messaging.envelope import Received
from shared.messaging.replays import note_replays
from shared.security.boxes import CannotOpenError
from shared.security.words import KeyPair

_log = structlog.get_logger(__name__)


async def on_candidate_reported(store: Store, received: Sequence[Received[Event]], secrets: VaultSecrets) -> None:
    """Registers, claims, proposes, merges or forgets; CannotOpenError for a report whose intake key is gone.

    What was kept of a record before it was known follows at once, before anything newer. A merge names a record of
    another partition: whoever else handles what is told of that one waits, also while nobody knows it.
    """
    told = [
        (item.id, item.event)
        for item in received  # both kinds in one list: within a record, their order counts
        if isinstance(item.event, CandidateReportedV1 | CandidateMergedV1)
    ]
    opened = await _opened(store, told, secrets)
    await store.hold(_records(opened))
    ahead = deque(waves(opened))
    while ahead:
        known = await _take(store, ahead.popleft(), secrets)
        if kept := await store.take_kept(known):
            again = await _opened(store, [(one.id, one.event) for one in kept], secrets)
            await store.hold(_records(again))
            ahead.extendleft(reversed(list(waves(again))))


async def on_export_answered(exports: Exports, received: Sequence[Received[ExportAnsweredV1]]) -> None:
    """Parts of what a person takes along, in any order; what nobody waits for is dropped."""
    await exports.take([item.event for item in received])


def _records(reports: Iterable[Opened]) -> list[Record]:
    return list(dict.fromkeys(key for report in reports for key in report.keys))


async def _take(store: Store, wave: Sequence[Opened], secrets: VaultSecrets) -> list[Record]:
    """One report a record; returns the records that became known by it."""
    keys = _records(wave)
    mailboxes = [report.blind_index for report in wave if report.blind_index]
    older = {old: report.blind_index for report in wave if report.blind_index for old in report.older_indexes}
    picture = await store.look_up(keys, mailboxes, older)
    possible = possible_stubs(wave, picture, at=store.at, new_id=new_candidate_id)
    stubs = await _without_noes(store, wave, possible, secrets)
    new = {}
    if stubs:
        fresh = await store.register(list(stubs.values()))
        new = {record: stub.candidate for record, stub in stubs.items() if stub.candidate in fresh}
        if len(fresh) == len(stubs):  # ours, and locked: nothing else of the picture can have changed
            picture = picture.with_new(stubs.values())
        else:
            picture = await store.look_up(keys, mailboxes, older)
    outcomes = [decide(report, picture, new) for report in wave]
    await _apply(store, outcomes, picture, secrets)
    return [record for one in outcomes if (record := _made_known(one)) is not None]


async def _without_noes(
    store: Store, wave: Sequence[Opened], stubs: Mapping[Record, Stub], secrets: VaultSecrets
) -> Mapping[Record, Stub]:
    """Those of them whose mailbox did not say no for good: a prefix says of nearly everybody else that they surely did not.

    Every erasure writes one. A "never again" of before there were prefixes is found when the stub would be invited.
    """
    brought = {one.key: one for one in wave if one.key in stubs}
    mails = {key: one.told.person.mail for key, one in brought.items() if one.told.person}
    if not mails:
        return stubs
    found = await look_up_mailboxes(store, list(mails.values()), secrets.hashes, marked_alone=True)
    return {
        key: stubs[key]
        for key, mailbox in zip(mails, found, strict=True)
        if may_register(mailbox.past, by_join=key[0] == JOIN, reported_at=brought[key].reported_at)
    }


def _made_known(outcome: Outcome) -> Record | None:
    match outcome:
        case Registered(report=report) | Claimed(report=report, is_news=True):
            return report.key
        case Merged(into=into):
            return into
        case _:
            return None


async def on_erasure_confirmed(store: Store, received: Sequence[Received[ErasureConfirmedV1]]) -> None:
    """Erases whoever lapses, now that consent has closed them; whoever confirmed in the meantime is kept."""
    for candidate in await store.erase_lapsed(sorted({item.event.candidate for item in received})):
        store.publish(CandidateErasedV1(candidate=candidate, at=store.at))


async def on_erasure_swept(erasures: Erasures, received: Sequence[Received[ErasureSweptV1]]) -> None:
    """One service less that an erasure is outstanding at."""
    told = (item.event for item in received)
    await erasures.swept([(one.candidate, Sweep(one.service, one.at, one.stores)) for one in told])


async def on_consent_changed(store: Store, received: Sequence[Received[ConsentChanged]]) -> None:
    """Confirms on the first state, and shows or hides the profile; of an older version only its no counts, of a replay nothing."""
    newest = grants.newest((item.event for item in received), now=store.at)
    latest = newest.by_candidate
    known = await store.showings(sorted(latest))
    outcomes = {
        candidate: showing_decisions.heard(before, latest[candidate], newest.no_at[candidate], at=store.at)
        for candidate, before in known.items()
    }
    replayed = {(one, latest[one].version) for one, outcome in outcomes.items() if outcome == "replayed"}
    note_replays(received, newest.replayed | replayed)
    heard = {candidate: after for candidate, after in outcomes.items() if isinstance(after, Showing)}
    await store.save_showings(list(heard.values()))
    for candidate, after in heard.items():
        if not known[candidate].confirmed:
            store.publish(CandidateConfirmedV1(candidate=candidate, at=store.at))
        if news := showing_decisions.news(known[candidate], after):
            store.publish(news)


async def on_tenant_changed(acts: OperatorActs, received: Sequence[Received[TenantChangedV1]]) -> None:
    """What an operator did is written down, whichever way they took."""
    await acts.note([item.event for item in received])


async def _opened(
    store: Store, received: Sequence[tuple[str, CandidateReportedV1 | CandidateMergedV1]], secrets: VaultSecrets
) -> list[Opened]:
    reports = [event for _, event in received if isinstance(event, CandidateReportedV1)]
    keys = await store.intake_keys({event.intake_key for event in reports if event.sealed})
    opened = []
    for id_, event in received:
        told = Told()
        if isinstance(event, CandidateReportedV1) and event.sealed:
            key = keys.get(event.intake_key)
            if key is None:
                raise CannotOpenError("the intake key of that day was destroyed or is not of this vault")
            told = Told.model_validate_json(open_told(key, event.sealed, vendor=event.vendor, record=event.record))
        if told.person is None:
            opened.append(Opened(id_, event, told))
        else:
            found = secrets.index.of(told.person.mail)
            opened.append(Opened(id_, event, told, found.value, found.older, found.key_id))
    return opened


async def _apply(store: Store, outcomes: Sequence[Outcome], picture: Picture, secrets: VaultSecrets) -> None:
    registered = [one for one in outcomes if isinstance(one, Registered)]
    claimed = [one for one in outcomes if isinstance(one, Claimed)]
    removed = [one for one in outcomes if isinstance(one, ClaimRemoved)]
    merged = [one for one in outcomes if isinstance(one, Merged)]
    await store.keep(
        [
            KeptReport(one.report.id, one.report.event, one.candidate if isinstance(one, Waits) else None)
            for one in outcomes
            if isinstance(one, Kept | Waits)
        ]
    )
    await _end_records(store, outcomes, picture)
    await _register(store, registered, secrets)
    await store.save_claims([*map(_first_claim, registered), *(_claim(one) for one in claimed if one.is_news)])
    again = [one.candidate for one in claimed if one.invite_again]
    await store.prolong(again, store.at + STUB_KEPT)
    await store.ask_to_invite({one.candidate: one.report.vendor for one in registered} | dict.fromkeys(again, JOIN))
    await store.save_proposals(proposals_among(outcomes))
    taken = [one for one in outcomes if isinstance(one, Registered | Claimed | ProposalChanged)]
    await store.note_times({one.report.key: at for one in taken if (at := one.report.happened_at) is not None})
    await store.remove_claims([one.report.key for one in removed])
    await store.hand_over({one.report.key: one.into for one in merged})
    left = [one.left for one in registered if one.left] + [one.left for one in claimed if one.left]
    left += [one.candidate for one in merged] + [one.candidate for one in removed if one.may_erase]
    for lapse in await store.lapse_unclaimed(sorted(set(left))):
        store.publish(CandidateLapsedV1(candidate=lapse.candidate, at=lapse.at, reason=lapse.reason))
    _publish(store, outcomes)
    _log.info("reports_handled", **Counter(_name(one) for one in outcomes))


def _name(outcome: Outcome) -> str:
    return outcome.reason if isinstance(outcome, Noise) else type(outcome).__name__.lower()


async def _end_records(store: Store, outcomes: Sequence[Outcome], picture: Picture) -> None:
    """What a deletion ends besides the claim; one that ended its record, or lies before a creation, does nothing more."""
    ended = [one.report for one in outcomes if isinstance(one, ClaimRemoved | Merged)]
    await store.keep([KeptReport(report.id, report.event, counted=True) for report in ended])
    taken = [one.report for one in outcomes if isinstance(one, Registered | Claimed | Stopped)]
    created = [report.owned for report in taken if report.change == "signed_up"]
    await store.count_deletions([owned for owned in created if owned in picture.deletions])
    gone = {one.report.owned: one.deletion.happened_at for one in outcomes if isinstance(one, Stopped)}
    deletions = [
        one.report for one in outcomes if isinstance(one, ClaimRemoved | Kept) and one.report.change == "deleted"
    ]
    gone |= {report.owned: report.happened_at for report in deletions}
    gone |= {one.report.owned: None for one in outcomes if isinstance(one, DeletedAlready)}
    await store.forget_told_before(gone)


async def _register(store: Store, registered: Sequence[Registered], secrets: VaultSecrets) -> None:
    sealed = []
    for one in registered:
        person = one.report.told.person
        if person is None:
            raise ValueError("a registration without a person")
        identity = Identity(person.mail, person.given_name, person.family_name, person.phones)
        sealed.append(seal_identity(one.candidate, identity, KeyPair.generate(), secrets.epochs))
    await store.save_identities(sealed)
    for row in sealed:
        store.publish(CandidateRegisteredV1(candidate=row.candidate, at=store.at))
        store.publish(
            CandidateKeyPublishedV1(candidate=row.candidate, version=row.version, public_key=row.public_key),
        )


def _first_claim(one: Registered) -> Claim:
    return Claim(
        one.report.vendor,
        one.report.record,
        one.candidate,
        one.report.employer,
        registered=True,
        origin=one.report.origin,
    )


def _claim(one: Claimed) -> Claim:
    return Claim(
        one.report.vendor,
        one.report.record,
        one.candidate,
        one.report.employer,
        registered=False,
        origin=one.report.origin,
    )


def _publish(store: Store, outcomes: Iterable[Outcome]) -> None:
    for one in outcomes:
        match one:
            case Registered() | Claimed(is_news=True):
                report = one.report
                claimed = CandidateClaimedV1(
                    candidate=one.candidate, vendor=report.vendor, employer=report.employer, at=store.at
                )
                store.publish(claimed, id=f"{report.id}:claimed")
            case Hired(report=report, candidate=candidate):
                hired = CandidateHiredV1(
                    candidate=candidate, vendor=report.vendor, employer=report.employer, at=store.at
                )
                store.publish(hired, id=f"{report.id}:hired")
            case CameBack(candidate=candidate):
                notice = notices.sign_in(candidate, at=store.at)
                store.publish(notice, id=notice.notice)
            case _:
                pass
