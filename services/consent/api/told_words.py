"""What employers could read of a person, and why, in plain words."""

from collections.abc import Callable, Sequence

from services.consent.api import views
from shared import wording
from shared.contracts.pool_matching import Criteria

_FIELDS = {
    "occupations": "your kinds of work, those that it asks for",
    "skills": "your skills, those that it asks for",
    "years": "your years of work, rounded down",
    "state": "your state",
    "remote": "whether you want remote work",
    "employment_types": "full-time, part-time and so on, those that it asks for",
    "pay_floor": "the least pay that you want, rounded down",
    "available_from": "the month from which you can start",
}
_EMPLOYMENT = {"full_time": "full-time", "part_time": "part-time"}


def fields(names: Sequence[str]) -> list[str]:
    """What could be read of the profile; a field of a later version by its name."""
    return [_FIELDS.get(name, name.replace("_", " ")) for name in names]


def looks_for(asked: Criteria | None) -> list[str]:
    """Whom a pool looks for, as ends of "people who …"; empty where that is not known. The pay that it names stays the employer's."""
    if asked is None:
        return []
    said = [words for part in _PARTS if (words := part(asked))]
    return said or ["look for work: it asks for nothing else"]


def _work(asked: Criteria) -> str:
    return f"do this work: {_or([views.work(code) for code in asked.occupations])}" if asked.occupations else ""


def _place(asked: Criteria) -> str:
    return f"are in {_or(list(asked.states))}" if asked.states else ""


def _remote(asked: Criteria) -> str:
    return "" if asked.remote is None else "want remote work" if asked.remote else "don’t ask for remote work"


def _all_skills(asked: Criteria) -> str:
    return f"have {' and '.join(asked.skills_all)} among their skills" if asked.skills_all else ""


def _any_skills(asked: Criteria) -> str:
    least = asked.skills_any_at_least or 1
    return f"have at least {least} of these skills: {', '.join(asked.skills_any)}" if asked.skills_any else ""


def _years(asked: Criteria) -> str:
    if not asked.min_years:
        return "" if asked.min_years is None else "say how many years they have worked"
    return f"have worked for {asked.min_years} year{'s' * (asked.min_years > 1)} or more"


def _pay(asked: Criteria) -> str:
    return "" if asked.pay_max is None else "want no more pay than it offers"


def _employment(asked: Criteria) -> str:
    kinds = [_EMPLOYMENT.get(one, one.replace("_", " ")) for one in asked.employment_types]
    return f"look for {_or(kinds)} work" if kinds else ""


def _start(asked: Criteria) -> str:
    return f"can start by {wording.day(asked.available_by)}" if asked.available_by else ""


_PARTS: tuple[Callable[[Criteria], str], ...] = (
    _work, _place, _remote, _all_skills, _any_skills, _years, _employment, _pay, _start
)  # fmt: skip


def _or(names: list[str]) -> str:
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
