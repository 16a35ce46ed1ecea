"""What the profile page shows: offers with their sources, and values in the steps in which employers see them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from services.signup.decisions.coarsening import PAY_STEP, YEARS
from services.signup.decisions.keeping import FIELDS, Field, Offer, Value, value_of
from services.signup.decisions.skills import known_skills
from services.signup.model.records import Proposed, Showing
from shared import wording
from shared.contracts import grants
from shared.contracts.codes import STATES, occupation_titles
from shared.contracts.signup import JOIN, CoarseProfile
from shared.facts import Fact, shown
from shared.i18n import gettext, marked, ngettext
from shared.web.pages import Pages

PAGES = Pages("services.signup")
Names = Callable[[str], Fact[str]]
"""What a tenant is called on pages, with its domain."""

KINDS = {
    "full_time": marked("Full time"),
    "part_time": marked("Part time"),
    "contract": marked("Contract"),
    "temporary": marked("Temporary"),
    "internship": marked("Internship"),
}
LABELS: Mapping[Field, str] = {
    "occupations": marked("Work"),
    "skills": marked("Skills"),
    "years": marked("Experience"),
    "state": marked("State"),
    "area": marked("Area"),
    "remote": marked("Remote"),
    "employment_types": marked("Employment"),
    "pay_floor": marked("Pay, at least"),
    "available_from": marked("Available"),
}
SKILLS = ", ".join(sorted(known_skills()))
"""All that can be shown, to be read on the page."""
_MOST_TICKED = 3
"""More occupations than that from one source are for the person to tick: as many yes and no may be a mark on somebody."""
_HIGHEST_PAY = 300_000


@dataclass(frozen=True, slots=True)
class Choice:
    """One box to tick, or one of several answers."""

    value: str
    label: str
    hint: str = ""
    is_on: bool = False


@dataclass(frozen=True, slots=True)
class Single:
    """A field with one value: told alike by all (`told` has at most one), or differently."""

    name: str
    label: str
    hint: str
    told: Sequence[Choice]
    options: Sequence[tuple[str, str]]
    """Of a list; none for a text field."""
    value: str = ""
    other: str = ""

    @property
    def is_disputed(self) -> bool:
        """Whether the person has to choose between what several told."""
        return len(self.told) > 1


@dataclass(frozen=True, slots=True)
class ProfileForm:
    """Everything that the page asks."""

    occupations: Sequence[Choice]
    unknown_titles: Sequence[tuple[str, str]]
    """Titles as they were told, and by whom."""
    skills: Sequence[Choice]
    employment_types: Sequence[Choice]
    remote: Choice
    singles: Mapping[str, Single]
    told_by: str = ""
    """Who told all of it, where that was one alone: it is said once, and not again beside each field."""
    work: str = ""
    more_skills: str = ""


def items(offered: Iterable[Offer], names: Names) -> list[dict[str, Any]]:
    """Offers as programs get them."""
    return [
        {
            "field": offer.field,
            "value": offer.value.isoformat() if isinstance(offer.value, date) else offer.value,
            "source": source(offer.by, names),
            "id": offer.id,
            "title": offer.title,
        }
        for offer in offered
    ]


def source(by: Proposed, names: Names, zone: str | None = None) -> str:
    """Who told it when, in words; the day is of this zone, of UTC where none is known."""
    when = wording.day(by.told_at, zone)
    if by.proposal.vendor == JOIN:
        return gettext("the join page, %(day)s", day=when)
    if by.employer is not None:
        employer = shown(names(by.employer), gettext("an employer"))
        return gettext("the hiring system of %(employer)s, %(day)s", employer=employer, day=when)
    vendor = shown(names(by.proposal.vendor), gettext("a hiring system"))
    return f"{vendor}, {when}"


def words_of(name: Field, value: Value) -> str:
    """A value as employers see it."""
    match name:
        case "occupations":
            return occupation_titles().get(str(value), str(value))
        case "years":
            return _years(value)
        case "state":
            return STATES.get(str(value), str(value))
        case "area":
            return gettext("ZIP codes that begin with %(digits)s", digits=value)
        case "remote":
            return gettext("Remote work, too")
        case "employment_types":
            return gettext(KINDS[str(value)])
        case "pay_floor":
            return gettext("$%(pay)s a year", pay=wording.number(int(str(value))))
        case "available_from" if isinstance(value, date):
            return gettext("From %(month)s", month=wording.month(value))
        case _:
            return str(value)


def _years(value: Value) -> str:
    if value == 0:
        return gettext("Less than a year")
    return ngettext("%(num)s year or more", "%(num)s years or more", int(str(value)))


def facts(profile: CoarseProfile) -> list[tuple[str, str]]:
    """All that employers may see, in their steps."""
    return [
        (gettext(LABELS[name]), ", ".join(words_of(name, value) for value in shown))
        for name in FIELDS
        if (shown := value_of(profile, name))
    ]


def why_not_shown(showing: Showing, *, at: datetime) -> str:
    """Why nobody sees the profile now; empty when employers do."""
    if showing.published is not None:
        return ""
    if showing.profile == CoarseProfile():
        return "empty"
    if showing.mailbox_gone:
        return "mailbox"
    if not showing.match_granted:
        return "off"
    return "paused" if grants.is_paused(showing, at=at) else "ended"


def steps(at: datetime) -> Mapping[Field, list[tuple[str, str]]]:
    """The answers that are listed, in the steps in which employers see them."""
    return {
        "years": _options("years", YEARS),
        "state": _options("state", STATES),
        "pay_floor": _options("pay_floor", range(PAY_STEP, _HIGHEST_PAY + 1, PAY_STEP)),
        "available_from": _options("available_from", _months(at.date())),
    }


def form_of(offered: Sequence[Offer], kept: CoarseProfile | None, names: Names, *, at: datetime) -> ProfileForm:
    """The page's fields, filled with what was kept, or else with what nobody disputes; skills are never ticked before."""
    told = {name: [offer for offer in offered if offer.field == name] for name in FIELDS}
    sources = {source(offer.by, names) for offer in offered}
    alone = next(iter(sources)) if len(sources) == 1 else ""

    def choices(name: Field) -> list[Choice]:
        shown = value_of(kept, name) if kept else ()
        values = dict.fromkeys([*shown, *(offer.value for offer in told[name])])
        undisputed = _undisputed(name, told[name])
        return [
            Choice(
                str(value),
                words_of(name, value),
                _told_by([offer for offer in told[name] if offer.value == value], names, is_said=bool(alone)),
                value in (shown if kept else undisputed),
            )
            for value in values
        ]

    def single(name: Field, label: str, hint: str, options: Sequence[tuple[str, str]] = ()) -> Single:
        found = choices(name)
        all_of_them = [
            *options,
            *((one.value, one.label) for one in found if options and one.value not in dict(options)),
        ]
        if kept is not None:
            value = next((one.value for one in found if one.is_on), "")
            return Single(name, label, hint, (), all_of_them, value)
        value = found[0].value if len(found) == 1 else ""
        return Single(name, label, hint, found, all_of_them, value)

    listed = steps(at)
    kinds = {one.value: one for one in choices("employment_types")}
    remote = next(iter(choices("remote")), Choice("true", ""))
    return ProfileForm(
        occupations=choices("occupations"),
        unknown_titles=[
            (str(one.value), "" if alone else source(one.by, names)) for one in offered if one.field == "titles"
        ],
        skills=choices("skills"),
        told_by=alone,
        employment_types=[kinds.get(value, Choice(value, gettext(label))) for value, label in KINDS.items()],
        remote=replace(remote, value="true", label=gettext("I look for remote work, too")),
        singles={
            one.name: one
            for one in (
                single("years", gettext("Years of experience"), "", listed["years"]),
                single("state", gettext("State"), "", listed["state"]),
                single(
                    "area",
                    gettext("First three digits of your ZIP code"),
                    gettext("Such as 802. A whole ZIP code is cut to them."),
                ),
                single(
                    "pay_floor",
                    gettext("Pay, at least"),
                    gettext("Shown in steps of $20,000."),
                    listed["pay_floor"],
                ),
                single("available_from", gettext("When you can start"), "", listed["available_from"]),
            )
        },
    )


def refilled(form: ProfileForm, given: Mapping[str, Any], also: Sequence[str]) -> ProfileForm:
    """The fields as they were sent, for the page to show again; `also`: occupations that the person's words may mean."""

    def again(choices: Sequence[Choice], name: str) -> list[Choice]:
        return [replace(one, is_on=one.value in given.get(name, ())) for one in choices]

    there = {one.value for one in form.occupations}
    more = [
        Choice(code, words_of("occupations", code), gettext("May be what you wrote"))
        for code in also
        if code not in there
    ]
    return replace(
        form,
        occupations=[*again(form.occupations, "occupations"), *more],
        skills=again(form.skills, "skills"),
        employment_types=again(form.employment_types, "employment_types"),
        remote=replace(form.remote, is_on=bool(given.get("remote"))),
        singles={
            name: replace(one, value=given.get(name, ""), other=given.get(f"{name}_other", ""))
            for name, one in form.singles.items()
        },
        work="" if also else given.get("work", ""),
        more_skills=given.get("more_skills", ""),
    )


def _undisputed(name: Field, told: Sequence[Offer]) -> set[Value]:
    """What everybody who told of this field told alike, and clearly; of skills nothing."""
    if name == "skills":
        return set()
    by = {(offer.by.proposal.vendor, offer.by.proposal.record) for offer in told}
    values = {offer.value for offer in told}
    if name == "occupations" and (len(values) > _MOST_TICKED or any(offer.one_of > 1 for offer in told)):
        return set()
    tellers = {
        value: {(one.by.proposal.vendor, one.by.proposal.record) for one in told if one.value == value}
        for value in values
    }
    return values if all(theirs == by for theirs in tellers.values()) else set()


def _told_by(told: Sequence[Offer], names: Names, *, is_said: bool) -> str:
    """`is_said`: who told it stands at the top of the page already."""
    lines = []
    for offer in told:
        several = gettext(", which may mean several occupations") if offer.one_of > 1 else ""
        if is_said:
            lines += [f"“{offer.title}”{several}"] if offer.title else []
        else:
            by = source(offer.by, names)
            said = (
                gettext("“%(title)s” from %(source)s", title=offer.title, source=by)
                if offer.title
                else gettext("From %(source)s", source=by)
            )
            lines.append(f"{said}{several}")
    return ". ".join(dict.fromkeys(lines))


def _options(name: Field, values: Iterable[Value]) -> list[tuple[str, str]]:
    return [(str(value), words_of(name, value)) for value in values]


def _months(today: date) -> list[date]:
    first = today.year * 12 + today.month - 1
    return [date(month // 12, month % 12 + 1, 1) for month in range(first, first + 18)]
