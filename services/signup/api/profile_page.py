"""What a person sees and does on their profile, whichever way they came: by a link, or signed in."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Protocol, assert_never

from fastapi.responses import HTMLResponse, JSONResponse
from starlette.responses import RedirectResponse, Response

from services.signup.api import profile_done, profile_forms, profile_told
from services.signup.api.person_links import PersonLinks
from services.signup.api.profile_done import Done
from services.signup.api.profile_forms import ON_THE_PAGE, STALE, Change, Posted
from services.signup.api.profile_views import (
    PAGES,
    SKILLS,
    Names,
    ProfileForm,
    facts,
    form_of,
    items,
    refilled,
    why_not_shown,
)
from services.signup.decisions import answering, keeping, provenance, showing
from services.signup.decisions.answering import Answer, Answered, NotMe
from services.signup.decisions.keeping import Kept, OccupationsOf, Offer, Refused
from services.signup.decisions.resume_parts import PassedOver
from services.signup.model.provenance import ValueOrigin
from services.signup.model.records import Showing
from services.signup.ports.store import Store
from shared.i18n import marked
from shared.web.holders import Holder
from shared.web.person import Entry, Navigation
from shared.web.problems import Problem, kind

ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Asked for JSON: what is proposed, kept and waiting; changed by JSON: `profile`, `version`",
        "content": {"application/json": {}},
    },
    202: {"description": "Kept; the network does not have it yet"},
}


@dataclass(frozen=True, slots=True)
class ProfileEdge:
    """What `app.py` gives to the routes."""

    change: Callable[[], AbstractAsyncContextManager[Store]]
    """A transaction whose events are on their way when it ends."""
    look: Callable[[], AbstractAsyncContextManager[Store]]
    """For reading."""
    has_published: Callable[[Sequence[int]], Awaitable[bool]]
    """Whether Kafka has these outbox rows within the time that a person can be asked to wait."""
    now: Callable[[], datetime]
    links: PersonLinks
    names: Names
    occupations_of: OccupationsOf
    titles: Sequence[str]
    consent_url: str
    signed_in: Callable[..., Awaitable[Holder]]
    """The dependency that says who is signed in, or raises."""
    navigation: Navigation
    notices: Callable[[], Sequence[str]] = tuple
    """What must be said beside occupations that were found in a list which an operator loaded."""


class Filled(Protocol):
    """What a file says for the form."""

    @property
    def passed_over(self) -> tuple[PassedOver, ...]:
        """What was not taken, and why."""

    def fill(self, form: ProfileForm) -> ProfileForm:
        """The form with it."""


@dataclass(frozen=True, slots=True)
class Way:
    """Who came, and where their page, their choices and the way out are."""

    candidate: str
    address: str
    choices: str
    erase: str
    navigation: Sequence[Entry] = ()
    """To their other pages, where they are signed in."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that the page is about, as it is now."""

    showing: Showing
    offered: Sequence[Offer]
    origins: Sequence[ValueOrigin]
    told: Sequence[answering.Telling]

    @property
    def told_until(self) -> str:
        """When the newest of it was told."""
        return max(one.by.told_at for one in self.told).isoformat() if self.told else ""


async def read(edge: ProfileEdge, store: Store, way: Way, *, locked: bool = False) -> Seen | None:
    """As it is now; None for whoever is erased. `locked`: nobody else changes it until the transaction is over."""
    found = (await store.showings([way.candidate])).get(way.candidate) if locked else await store.showing(way.candidate)
    if found is None:
        return None
    proposed = await store.proposals(way.candidate)
    offered = keeping.offers(proposed, edge.occupations_of)
    told = answering.tellings(proposed, offered, found.profile)
    return Seen(found, offered, await store.origins(way.candidate), told)


def as_json(edge: ProfileEdge, seen: Seen) -> JSONResponse:
    """What is proposed, kept and waiting, for programs."""
    profile = seen.showing.profile
    return JSONResponse(
        {
            "proposed": items(seen.offered, edge.names),
            "kept": None if profile is None else profile.model_dump(mode="json"),
            "origins": [profile_told.origin_out(one, edge.names) for one in seen.origins],
            "waiting": [profile_told.telling_out(one, edge.names) for one in answering.waiting(seen.told, profile)],
        }
    )


async def save(edge: ProfileEdge, way: Way, posted: Posted) -> Response | None:
    """Exactly what is wished is shown from now on, and what the page showed is answered; None for whoever is erased."""
    async with edge.change() as store:
        before = await read(edge, store, way, locked=True)
        if before is None:
            return None
        if posted.seen is not None and posted.seen != keeping.mark(before.showing.profile):
            return page(edge, way, before, errors={"": STALE})
        outcome: Kept | Refused = Refused(posted.errors)
        if posted.wish is not None:
            outcome = keeping.decide(posted.wish, before.offered, before.showing.profile, edge.occupations_of)
        if isinstance(outcome, Refused):
            if posted.is_json:
                raise profile_forms.problem_of(outcome)
            return page(edge, way, before, given=posted.given, errors=outcome.errors)
        after = await _keep(store, before, outcome)
        if until := store.at if posted.is_json else posted.told_until:
            await store.answer_proposals(way.candidate, until)
    return await _saved(edge, store, way, after, is_json=posted.is_json)


async def change(edge: ProfileEdge, way: Way, change: Change) -> Response | None:
    """Some fields as they are said, the others as they were; answers nothing that waits."""
    async with edge.change() as store:
        before = await read(edge, store, way, locked=True)
        if before is None:
            return None
        profile = before.showing.profile
        outcome = keeping.decide(change.wish(profile), before.offered, profile, edge.occupations_of)
        if isinstance(outcome, Refused):
            raise profile_forms.problem_of(outcome, is_bare=True)
        after = await _keep(store, before, outcome)
    return await _saved(edge, store, way, after, is_json=True)


async def answer(edge: ProfileEdge, way: Way, telling: str, given: Answer, *, is_json: bool) -> Response | None:
    """One answer to what one record told; None for whoever is erased."""
    async with edge.change() as store:
        unlocked = await read(edge, store, way)
        if unlocked is None:
            return None
        if meant := _find(unlocked, telling):
            await store.hold([meant.record])  # before the person, as whoever handles what is told of the record
        before = await read(edge, store, way, locked=True)
        if before is None:
            return None
        found = _find(before, telling) if meant else None
        if found is None:
            if is_json:
                raise _no_such_proposal()
            return page(edge, way, before, errors={"": "This was told anew, or taken back. Here is how it is now"})
        showing_before = before.showing.profile
        outcome = answering.decide(given, found, showing_before, before.origins, before.offered, at=store.at)
        match outcome:
            case Refused(errors):
                if is_json:
                    raise profile_forms.problem_of(outcome)
                return page(edge, way, before, errors={"": next(iter(errors.values()))})
            case Answered(profile, origins):
                after = before.showing
                if profile is not None and profile != showing_before:
                    after = await _keep(store, before, Kept(profile), origins)
                elif profile is not None and tuple(origins) != tuple(before.origins):
                    await store.save_origins(way.candidate, origins)
                if isinstance(given, NotMe):
                    await store.deny(way.candidate, found.record)
                else:
                    await store.answer_proposal(way.candidate, found.record)
            case _:
                assert_never(outcome)
    if not is_json and after == before.showing:
        return RedirectResponse(f"{way.address}{profile_done.after(given)}", 303)
    return await _saved(edge, store, way, after, is_json=is_json)


def page(
    edge: ProfileEdge,
    way: Way,
    seen: Seen,
    *,
    given: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    filled: "Filled | None" = None,
    done: Done | None = None,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """The form, filled with what was kept, or as it was sent, or from a file."""
    profile = seen.showing.profile
    form = form_of(seen.offered, profile, edge.names, at=edge.now())
    wrong = {ON_THE_PAGE.get(name, name): words for name, words in profile_forms.by_field(errors or {}).items()}
    if given is not None:
        also = edge.occupations_of(str(given.get("work", "")))
        form = refilled(form, given, also if len(also) > 1 else ())
        if len(also) > 1 and "work" in wrong:
            wrong = {"occupations": marked("Your words may mean several occupations: check those that are right")}
    if filled is not None:
        form = filled.fill(form)
    return PAGES.render(
        "profile.html",
        status=status or (422 if wrong else 200),
        headers=headers,
        read=filled,
        done=done,
        seen=keeping.mark(profile),
        told_until=seen.told_until,
        address=way.address,
        form=form,
        errors=wrong,
        titles=edge.titles,
        known_skills=SKILLS,
        notices=edge.notices(),
        has_spoken=profile is not None,
        waiting=[profile_told.waiting_view(one, profile, edge.names) for one in answering.waiting(seen.told, profile)],
        tellers=[profile_told.teller_view(one, edge.names) for one in seen.told],
        choices=way.choices,
        erase=way.erase,
        navigation=way.navigation,
    )


async def _keep(store: Store, before: Seen, kept: Kept, origins: Sequence[ValueOrigin] | None = None) -> Showing:
    """The profile from now on, told to the network if it is shown, and to the person if it was another before."""
    profile = kept.profile
    after = showing.settled(replace(before.showing, profile=profile), at=store.at)
    await store.save_showings([after])
    if origins is None:
        origins = provenance.after(before.origins, profile, before.offered, at=store.at)
    await store.save_origins(after.candidate, origins)
    if before.showing.profile not in (None, profile):
        await store.note_profile_change(after.candidate)
    if told := showing.news(before.showing, after):
        store.publish(told)
    return after


async def _saved(edge: ProfileEdge, store: Store, way: Way, after: Showing, *, is_json: bool) -> Response:
    status: Literal[200, 202] = 200 if not store.outbox_ids or await edge.has_published(store.outbox_ids) else 202
    if is_json:
        kept = None if after.profile is None else after.profile.model_dump(mode="json")
        return JSONResponse({"profile": kept, "version": after.profile_version}, status)
    return PAGES.render(
        "profile_kept.html",
        status=status,
        facts=facts(after.profile) if after.profile else [],
        why_not=why_not_shown(after, at=edge.now()),
        is_out=status == 200,
        back=way.address,
        choices=way.choices,
        navigation=way.navigation,
    )


def _find(seen: Seen, telling: str) -> answering.Telling | None:
    return next((one for one in seen.told if one.id == telling), None)


def _no_such_proposal() -> Problem:
    detail = (
        "Nothing that was told has this id now: it was told anew, or taken back. Read the profile again for what waits."
    )
    return Problem(404, "No such proposal", detail, type=kind("no-such-proposal"))
