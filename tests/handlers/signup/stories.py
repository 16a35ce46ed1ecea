"""What vendors tell and people answer, in few words, on the fake store."""

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

from services.signup import jobs
from services.signup.decisions.showing import settled
from services.signup.handlers import on_candidate_reported, on_consent_changed, on_erasure_confirmed
from services.signup.model.people import Change, Person, RawProfile, Told
from services.signup.vault.epochs import Epochs
from services.signup.vault.hashing import SlowHashes
from services.signup.vault.index import BlindIndex
from services.signup.vault.intake import seal_told
from services.signup.vault.secrets import VaultSecrets
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV1, ErasureConfirmedV1
from shared.contracts.signup import (
    JOIN,
    CandidateMergedV1,
    CandidateRegisteredV1,
    CandidateReportedV1,
    CoarseProfile,
    NoticeRequestedV2,
)
from shared.messaging.envelope import Received, Record
from tests.fakes.clock import NOON
from tests.fakes.signup import FakeStore

SECRETS = VaultSecrets(Epochs({1: bytes(32)}), BlindIndex(bytes(range(32))), SlowHashes(bytes(range(32))))
KEY = bytes(reversed(range(32)))
ANA = "Ana.Ruiz@example.org"
NURSE = CoarseProfile(occupations=("29-1141",))
_numbers = itertools.count()


def received(event: Any) -> Received[Any]:
    return Received(f"e{next(_numbers)}", "/fairpool/signup", NOON, event, Record("t", 0, 0, None, None, ()))


def report(
    change: Change = "signed_up",
    *,
    vendor: str = "acme",
    record: str = "1",
    mail: str | None = ANA,
    title: str = "Registered nurse",
    years: int | None = None,
    employer: str | None = "emp_one",
    hours: float | None = None,
    came: float = 0,
    without_email: bool | None = None,
) -> Received[CandidateReportedV1]:
    """`hours`: after noon, by the vendor's own clock; `came`: hours after noon, at the edge."""
    told = Told(
        person=Person(mail=mail, given_name="Ana") if mail and change in ("signed_up", "changed") else None,
        profile=RawProfile(titles=(title,), years=years) if change in ("signed_up", "changed") else None,
        without_email=without_email,
    )
    plain = told.model_dump_json(exclude_none=True).encode()
    return received(
        CandidateReportedV1(
            vendor=vendor,
            record=record,
            employer=None if vendor == JOIN else employer,
            change=change,
            happened_at=None if hours is None else NOON + timedelta(hours=hours),
            reported_at=NOON + timedelta(hours=came),
            intake_key=NOON.date(),
            sealed=seal_told(KEY, plain, vendor=vendor, record=record) if plain != b"{}" else "",
        )
    )


def merge(
    record: str, into: str, *, vendor: str = "acme", employer: str | None = "emp_one"
) -> Received[CandidateMergedV1]:
    return received(CandidateMergedV1(vendor=vendor, record=record, into=into, employer=employer, reported_at=NOON))


async def tell(store: FakeStore, *reports: Received[CandidateReportedV1 | CandidateMergedV1]) -> list[Event]:
    """What is published in answer."""
    store.published.clear()
    await on_candidate_reported(store, reports, SECRETS)
    return list(store.published)


async def allow(store: FakeStore, candidate: str, version: int = 1, **changes: Any) -> list[Event]:
    store.published.clear()
    values = {"candidate": candidate, "version": version, "at": store.at, "purposes": ("match",), **changes}
    await on_consent_changed(store, [received(ConsentChangedV1(**values))])
    return list(store.published)


async def settle(store: FakeStore) -> list[Event]:
    """Consent confirms whatever lapses, and what waited for it goes on; what is published for others."""
    await jobs.lapse(store)
    lapsing = [one.candidate for one in await store.ask_again(store.at + timedelta(days=1), limit=100)]
    confirmed = [ErasureConfirmedV1(candidate=one, store="consent", at=store.at) for one in lapsing]
    await on_erasure_confirmed(store, [received(one) for one in confirmed])
    store.published.clear()
    await jobs.release(store)
    again = [received(event) for event in store.published]
    store.published.clear()
    await on_candidate_reported(store, again, SECRETS)
    return list(store.published)


async def register(store: FakeStore) -> str:
    events = await tell(store, report())
    return next(event.candidate for event in events if isinstance(event, CandidateRegisteredV1))


async def invited(store: FakeStore) -> list[NoticeRequestedV2]:
    store.published.clear()
    await jobs.on_invitations(store, store.take_invitations(), SECRETS)
    return [event for event in store.published if isinstance(event, NoticeRequestedV2)]


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


async def titles_told(store: FakeStore, candidate: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.proposal.vendor, one.proposal.titles) for one in await store.proposals(candidate)]


async def keep(store: FakeStore, candidate: str, profile: CoarseProfile = NURSE) -> None:
    """As the person does it on their page."""
    (showing,) = (await store.showings([candidate])).values()
    await store.save_showings([settled(replace(showing, profile=profile), at=store.at)])
