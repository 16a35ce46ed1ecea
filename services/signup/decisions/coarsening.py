"""From what a vendor tells to what employers may see: coarse steps, and nothing that names a person."""

import re
from collections.abc import Callable, Iterable
from datetime import date

from services.signup.model import RawProfile
from shared.contracts.codes import STATES
from shared.contracts.signup import CoarseProfile

YEARS = (0, 1, 3, 5, 10, 15, 20)
PAY_STEP = 20_000
MOST_SKILLS = 50
LONGEST_SKILL = 60

OccupationOf = Callable[[str], str | None]
"""A job title's SOC 2018 code, or None when the title is not known."""

_SOC = re.compile(r"\d\d-\d{4}")
_ZIP = re.compile(r"\d{5}(-\d{4})?")


def coarsen(raw: RawProfile, occupation_of: OccupationOf) -> CoarseProfile:
    """The profile in the steps that pools ask for (design, "coarse on purpose"); codes go before titles."""
    codes = [code for code in raw.occupations if _SOC.fullmatch(code)]
    if not codes:
        codes = [code for code in map(occupation_of, raw.titles) if code is not None]
    return CoarseProfile(
        occupations=tuple(dict.fromkeys(codes)),
        skills=_skills(raw.skills),
        years=None if raw.years is None else max((step for step in YEARS if step <= raw.years), default=0),
        state=raw.state if raw.state in STATES else None,
        area=raw.postal_code[:3] if raw.postal_code and _ZIP.fullmatch(raw.postal_code) else None,
        remote=raw.remote,
        employment_types=tuple(dict.fromkeys(raw.employment_types)),
        pay_floor=None if raw.pay_floor is None else max(raw.pay_floor, 0) // PAY_STEP * PAY_STEP,
        available_from=_first_of_month(raw.available_from),
    )


def _skills(given: Iterable[str]) -> tuple[str, ...]:
    cleaned = (" ".join(skill.lower().split()) for skill in given)
    return tuple(dict.fromkeys(skill for skill in cleaned if is_skill(skill)))[:MOST_SKILLS]


def is_skill(text: str) -> bool:
    """Whether a tag can be shown as a skill: short, and with neither a mail address nor a phone number in it."""
    return bool(text) and len(text) <= LONGEST_SKILL and "@" not in text and sum(map(str.isdigit, text)) < 7


def _first_of_month(day: date | None) -> date | None:
    return None if day is None else day.replace(day=1)
