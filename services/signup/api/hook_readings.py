"""How a webhook was read: told to whoever sent it, by its body alone, so that it says nothing of whom the network knows."""

from collections.abc import Mapping

from pydantic import BaseModel, Field

from services.signup.api.readings import OccupationsOf
from services.signup.decisions.coarsening import coarsen
from services.signup.model.hooks import Ignored, Reading
from services.signup.model.people import Change

_NOT_USED = "action_not_used"
_WHY: Mapping[str, str] = {
    "person_without_email": "None of the candidate's emails can be mailed, so they could never confirm.",
    "person_may_not_be_mailed": "The candidate has `can_email: false`, so they could never confirm.",
    "person_outside_the_states": "The candidate's address is outside of the 50 states and the District of Columbia.",
    "undocumented": "This `action` is none that {ats} documents. Check its name.",
    _NOT_USED: "{ats} documents this action; Fairpool does not need it. Nothing is wrong.",
}


class LeftOut(BaseModel):
    """Something that was sent and is not used, and why."""

    reason: str = Field(description="For programs.")
    detail: str


class HookRead(BaseModel):
    """What was understood. The same for somebody whom the network knows and for others; no name, email or phone number."""

    record: str = Field(description="The candidate's id at the ATS.")
    change: Change
    email: bool = Field(description="Whether an email was found that can be mailed.")
    occupations: list[str] = Field(
        description="Codes of the 2018 SOC that the titles stand for; several may be asked of the person."
    )
    unknown_titles: int = Field(description="How many titles are not known here: the person is asked.")
    skills: list[str] = Field(description="Of the tags those that are on Fairpool's list of skills.")
    years: int | None = Field(description="Of work, by the employments that say when they began.")
    state: str | None = Field(description="None: no address was clear.")
    area: str | None = Field(description="The first three digits of the ZIP code.")
    left_out: list[LeftOut]


def read(one: Reading, occupations_of: OccupationsOf) -> HookRead:
    """By what the format's adapter understood."""
    profile = one.told.profile
    coarse = coarsen(profile) if profile else None
    codes = [occupations_of(title) for title in profile.titles] if profile else []
    return HookRead(
        record=one.record,
        change=one.change,
        email=one.told.person is not None,
        occupations=list(dict.fromkeys(code for found in codes for code in found)),
        unknown_titles=sum(not found for found in codes),
        skills=list(coarse.skills) if coarse else [],
        years=profile.years if profile else None,
        state=coarse.state if coarse else None,
        area=coarse.area if coarse else None,
        left_out=[] if one.person_left_out is None else [why(Ignored(one.person_left_out))],
    )


def why(ignored: Ignored, *, ats: str = "the ATS") -> LeftOut:
    """Why somebody, or all of it, was passed over, in words that name who sent it."""
    reason = ignored.action if ignored.action in _WHY else _NOT_USED
    return LeftOut(reason=reason, detail=_WHY[reason].format(ats=ats))
