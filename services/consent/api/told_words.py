"""What employers could read of a person, and why, in plain words."""

from collections.abc import Callable, Sequence

from services.consent.api import views
from shared import wording
from shared.contracts.pool_matching import Criteria
from shared.i18n import gettext, marked, ngettext

_FIELDS = {
    "occupations": marked("your kinds of work, those that it asks for"),
    "skills": marked("your skills, those that it asks for"),
    "years": marked("your years of work, rounded down"),
    "state": marked("your state"),
    "remote": marked("whether you want remote work"),
    "employment_types": marked("full-time, part-time and so on, those that it asks for"),
    "pay_floor": marked("the least pay that you want, rounded down"),
    "available_from": marked("the month from which you can start"),
}
_EMPLOYMENT = {
    "full_time": marked("full-time"),
    "part_time": marked("part-time"),
    "contract": marked("contract"),
    "temporary": marked("temporary"),
    "internship": marked("internship"),
}


def fields(names: Sequence[str]) -> list[str]:
    """What could be read of the profile; a field of a later version by its name."""
    return [gettext(_FIELDS.get(name, name.replace("_", " "))) for name in names]


def looks_for(asked: Criteria | None) -> list[str]:
    """Whom a pool looks for, as ends of "people who …"; empty where that is not known. The pay that it names stays the employer's."""
    if asked is None:
        return []
    said = [words for part in _PARTS if (words := part(asked))]
    return said or [gettext("look for work: it asks for nothing else")]


def _work(asked: Criteria) -> str:
    return (
        gettext("do this work: %(work)s", work=_or([views.work(code) for code in asked.occupations]))
        if asked.occupations
        else ""
    )


def _place(asked: Criteria) -> str:
    return gettext("are in %(states)s", states=_or(list(asked.states))) if asked.states else ""


def _remote(asked: Criteria) -> str:
    return (
        ""
        if asked.remote is None
        else gettext("want remote work")
        if asked.remote
        else gettext("don’t ask for remote work")
    )


def _all_skills(asked: Criteria) -> str:
    return (
        gettext("have %(skills)s among their skills", skills=gettext(" and ").join(asked.skills_all))
        if asked.skills_all
        else ""
    )


def _any_skills(asked: Criteria) -> str:
    least = asked.skills_any_at_least or 1
    return (
        gettext("have at least %(least)s of these skills: %(skills)s", least=least, skills=", ".join(asked.skills_any))
        if asked.skills_any
        else ""
    )


def _years(asked: Criteria) -> str:
    if not asked.min_years:
        return "" if asked.min_years is None else gettext("say how many years they have worked")
    return ngettext("have worked for %(num)s year or more", "have worked for %(num)s years or more", asked.min_years)


def _pay(asked: Criteria) -> str:
    return "" if asked.pay_max is None else gettext("want no more pay than it offers")


def _employment(asked: Criteria) -> str:
    kinds = [gettext(_EMPLOYMENT.get(one, one.replace("_", " "))) for one in asked.employment_types]
    return gettext("look for %(kinds)s work", kinds=_or(kinds)) if kinds else ""


def _start(asked: Criteria) -> str:
    return gettext("can start by %(day)s", day=wording.day(asked.available_by)) if asked.available_by else ""


_PARTS: tuple[Callable[[Criteria], str], ...] = (
    _work, _place, _remote, _all_skills, _any_skills, _years, _employment, _pay, _start
)  # fmt: skip


def _or(names: list[str]) -> str:
    return gettext(" or ").join(part for part in (", ".join(names[:-1]), names[-1]) if part)
