"""From what a vendor tells to what employers may see: coarse steps, and nothing that names a person."""

import re
from datetime import date

from services.signup.decisions.place_names import AREAS
from services.signup.decisions.places import settled
from services.signup.decisions.skills import skills_among
from services.signup.model.people import RawProfile
from shared.contracts.codes import STATES
from shared.contracts.signup import CoarseProfile

YEARS = (0, 1, 3, 5, 10, 15, 20)
PAY_STEP = 20_000
MOST_SKILLS = 50

_SOC = re.compile(r"[0-9]{2}-[0-9]{4}")
_AREA = re.compile(r"[0-9]{3}")
_ZIP = re.compile(r"[0-9]{5}(-[0-9]{4})?")


def coarsen(raw: RawProfile) -> CoarseProfile:
    """The profile in the steps that pools ask for; its occupations are the codes alone, for a title may mean several."""
    codes = [code for code in raw.occupations if _SOC.fullmatch(code)]
    state, postal_code = settled(raw.state, _five(raw.postal_code))
    area = postal_code[:3] if postal_code and state in STATES else None
    return CoarseProfile(
        occupations=tuple(dict.fromkeys(codes)),
        skills=skills_among(raw.skills)[:MOST_SKILLS],
        years=None if raw.years is None else max((step for step in YEARS if step <= raw.years), default=0),
        state=state if state in STATES else None,
        area=_three(raw.postal_code) or area,
        remote=raw.remote,
        employment_types=tuple(dict.fromkeys(raw.employment_types)),
        pay_floor=None if raw.pay_floor is None else max(raw.pay_floor, 0) // PAY_STEP * PAY_STEP,
        available_from=_first_of_month(raw.available_from),
    )


def _five(postal_code: str | None) -> str | None:
    return postal_code[:5] if postal_code and _ZIP.fullmatch(postal_code) else None


def _three(postal_code: str | None) -> str | None:
    """Of a profile that was taken along there is no more, and it says of itself what it says of a state."""
    if postal_code is None or not _AREA.fullmatch(postal_code):
        return None
    return postal_code if AREAS.get(postal_code) in STATES else None


def _first_of_month(day: date | None) -> date | None:
    return None if day is None else day.replace(day=1)
