"""Is a person's profile shown now, and when does that change by itself?"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from services.signup.model import Showing
from shared.contracts import grants
from shared.contracts.consent import ConsentChangedV1
from shared.contracts.signup import CandidateProfileChangedV1, CoarseProfile


def newest(events: Iterable[ConsentChangedV1]) -> dict[str, ConsentChangedV1]:
    """The highest version of each candidate."""
    found: dict[str, ConsentChangedV1] = {}
    for event in events:
        if event.candidate not in found or event.version > found[event.candidate].version:
            found[event.candidate] = event
    return found


def heard(showing: Showing, consent: ConsentChangedV1, *, at: datetime) -> Showing | None:
    """The person's state after this consent; None when a version as high was heard before.

    Any state confirms the person: only they can make one, through the link that was mailed to them.
    """
    if consent.version <= showing.consent_version:
        return None
    return settled(
        replace(
            showing,
            consent_version=consent.version,
            confirmed=True,
            match_granted=grants.allows_match(consent.purposes),
            paused_until=consent.paused_until,
            ends_at=consent.ends_at,
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
