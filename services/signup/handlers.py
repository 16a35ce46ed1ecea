"""Messages in: what vendors told, and what people allow."""

from collections import Counter
from collections.abc import Iterable, Sequence

import structlog

from services.signup.decisions import notices
from services.signup.decisions import showing as showing_decisions
from services.signup.decisions.proposing import proposals_among
from services.signup.decisions.reports import (
    STUB_KEPT,
    CameBack,
    Claimed,
    ClaimRemoved,
    Hired,
    Noise,
    Outcome,
    Registered,
    decide,
    possible_stubs,
    waves,
)
from services.signup.model import Claim, Opened, Told
from services.signup.ports import Store
from services.signup.vault.addresses import blind_index
from services.signup.vault.intake import open_told
from services.signup.vault.sealing import Identity, seal_identity
from services.signup.vault.secrets import VaultSecrets
from shared.contracts.consent import ConsentChangedV1
from shared.contracts.signup import (
    JOIN,
    CandidateClaimedV1,
    CandidateConfirmedV1,
    CandidateHiredV1,
    CandidateKeyPublishedV1,
    CandidateRegisteredV1,
    CandidateReportedV1,
)
from shared.ids import new_candidate_id
from shared.messaging.envelope import Received
from shared.security.boxes import CannotOpenError
from shared.security.words import KeyPair

_log = structlog.get_logger(__name__)


async def on_candidate_reported(
    store: Store, received: Sequence[Received[CandidateReportedV1]], secrets: VaultSecrets
) -> None:
    """Registers, claims, proposes or forgets; CannotOpenError for a report whose intake key is gone."""
    for wave in waves(await _opened(store, received, secrets)):
        stubs = possible_stubs(wave, at=store.at, new_id=new_candidate_id)
        fresh = await store.register(list(stubs.values()))
        new = {record: stub.candidate for record, stub in stubs.items() if stub.candidate in fresh}
        picture = await store.look_up(
            [report.key for report in wave], [report.blind_index for report in wave if report.blind_index]
        )
        await _apply(store, [decide(report, picture, new) for report in wave], secrets)


async def on_consent_changed(store: Store, received: Sequence[Received[ConsentChangedV1]]) -> None:
    """Confirms on the first state, and shows or hides the profile; an older version changes nothing."""
    latest = showing_decisions.newest(item.event for item in received)
    known = await store.showings(sorted(latest))
    heard = {
        candidate: after
        for candidate, before in known.items()
        if (after := showing_decisions.heard(before, latest[candidate], at=store.at)) is not None
    }
    await store.save_showings(list(heard.values()))
    for candidate, after in heard.items():
        if not known[candidate].confirmed:
            store.publish(CandidateConfirmedV1(candidate=candidate, at=store.at), id=f"{candidate}:confirmed")
        if news := showing_decisions.news(known[candidate], after):
            store.publish(news, id=f"{candidate}:profile:{news.version}")


async def _opened(
    store: Store, received: Sequence[Received[CandidateReportedV1]], secrets: VaultSecrets
) -> list[Opened]:
    keys = await store.intake_keys({item.event.intake_key for item in received if item.event.sealed})
    opened = []
    for item in received:
        event, told = item.event, Told()
        if event.sealed:
            key = keys.get(event.intake_key)
            if key is None:
                raise CannotOpenError("the intake key of that day was destroyed or is not of this vault")
            told = Told.model_validate_json(open_told(key, event.sealed, vendor=event.vendor, record=event.record))
        mail_index = blind_index(told.person.mail, secrets.blind_index_key) if told.person else None
        opened.append(Opened(item.id, event.vendor, event.record, event.employer, event.change, told, mail_index))
    return opened


async def _apply(store: Store, outcomes: Sequence[Outcome], secrets: VaultSecrets) -> None:
    registered = [one for one in outcomes if isinstance(one, Registered)]
    claimed = [one for one in outcomes if isinstance(one, Claimed)]
    removed = [one for one in outcomes if isinstance(one, ClaimRemoved)]
    await _register(store, registered, secrets)
    await store.save_claims([*map(_first_claim, registered), *(_claim(one) for one in claimed if one.is_news)])
    again = [one.candidate for one in claimed if one.invite_again]
    await store.prolong(again, store.at + STUB_KEPT)
    await store.ask_to_invite(
        {one.candidate: one.report.vendor == JOIN for one in registered} | dict.fromkeys(again, True)
    )
    await store.save_proposals(proposals_among(outcomes))
    await store.remove_claims([one.report.key for one in removed])
    await store.erase_unclaimed([one.candidate for one in removed if one.may_erase])
    _publish(store, outcomes)
    _log.info("reports_handled", **Counter(_name(one) for one in outcomes))


def _name(outcome: Outcome) -> str:
    return outcome.reason if isinstance(outcome, Noise) else type(outcome).__name__.lower()


async def _register(store: Store, registered: Sequence[Registered], secrets: VaultSecrets) -> None:
    sealed = []
    for one in registered:
        person = one.report.told.person
        if person is None:
            raise ValueError("a registration without a person")
        identity = Identity(person.mail, person.given_name, person.family_name, person.phones)
        sealed.append(seal_identity(one.candidate, identity, KeyPair.generate(), secrets.vault_key))
    await store.save_identities(sealed)
    for row in sealed:
        store.publish(CandidateRegisteredV1(candidate=row.candidate, at=store.at), id=f"{row.candidate}:registered")
        store.publish(
            CandidateKeyPublishedV1(candidate=row.candidate, version=row.version, public_key=row.public_key),
            id=f"{row.candidate}:key:{row.version}",
        )


def _first_claim(one: Registered) -> Claim:
    return Claim(one.report.vendor, one.report.record, one.candidate, one.report.employer, registered=True)


def _claim(one: Claimed) -> Claim:
    return Claim(one.report.vendor, one.report.record, one.candidate, one.report.employer, registered=False)


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
