"""Is a person's profile shown now, and when does that change by itself?"""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from services.signup.model.records import Showing
from shared.contracts import grants
from shared.contracts.consent import ConsentChanged, Purpose
from shared.contracts.signup import CandidateProfileChangedV1, CoarseProfile

Unheard = Literal["older", "replayed"]
"""Why a consent changes nothing: a version as high was heard before, or it is a yes by a link from before a no."""


def heard(showing: Showing, consent: ConsentChanged, no_at: datetime | None, *, at: datetime) -> Showing | Unheard:
    """The person's state after this consent and the last no that came with it, which counts whatever its version.

    Any state confirms the person: only they can make one, through the link that was mailed to them.
    """
    before: tuple[Purpose, ...] = ("match",) if showing.match_granted else ()
    after: tuple[Purpose, ...] = ("match",) if grants.allows_match(consent.purposes) else ()
    if consent.version <= showing.consent_version:
        on = grants.still_on(before, after, showing.lifts_no_until, no_at)
        known = replace(showing, match_granted=bool(on), no_at=grants.later(showing.no_at, no_at))
        return "older" if known == showing else settled(known, at=at)
    if grants.is_replayed(before, after, consent.lifts_no_until, showing.no_at):
        return "replayed"
    return settled(
        replace(
            showing,
            consent_version=consent.version,
            confirmed=True,
            match_granted=grants.allows_match(consent.purposes),
            paused_until=consent.paused_until,
            ends_at=consent.ends_at,
            no_at=grants.later(showing.no_at, no_at),
            lifts_no_until=consent.lifts_no_until,
        ),
        at=at,
    )


def settled(showing: Showing, *, at: datetime) -> Showing:
    """What is shown at this time, with a higher version if it changed, and when to look again.

    Nothing but what the person kept; who kept nothing of it is not shown at all. Nobody is shown whom no mail reaches: an
    employer would plan with people who can't be written to.
    """
    is_shown = showing.match_granted and not showing.mailbox_gone and grants.is_in_force(showing, at=at)
    wanted = showing.profile if is_shown and showing.profile != CoarseProfile() else None
    return replace(
        showing,
        published=wanted,
        profile_version=showing.profile_version + (wanted != showing.published),
        look_again_at=grants.changes_at(showing, at=at) if showing.match_granted else None,
    )


def news(before: Showing, after: Showing) -> CandidateProfileChangedV1 | None:
    """What `candidate-profiles` is to show from now on, if that changed."""
    if after.profile_version == before.profile_version:
        return None
    return CandidateProfileChangedV1(candidate=after.candidate, version=after.profile_version, profile=after.published)
