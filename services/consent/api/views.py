"""What the pages show: choices as form fields, and choices in plain words."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time
from typing import Any

from services.consent.api.bodies import zone_of
from services.consent.decisions import Called, unmet
from services.consent.decisions.changes import zones
from services.consent.model import (
    LASTS,
    MAJOR_GROUPS,
    POLICY_CLOSES,
    POLICY_CONTACTS_PER_WEEK,
    POLICY_GAP,
    POLICY_OPENS,
    Attempt,
    Choices,
    Introduction,
    Quiet,
)
from services.consent.ports import Employer
from shared import wording
from shared.contracts import grants
from shared.contracts.codes import occupation_titles
from shared.contracts.signup import JOIN
from shared.facts import Fact, shown
from shared.i18n import gettext, marked, ngettext, present

Names = Callable[[str], Fact[str]]
MOST_TICKED = 50
"""Employers, as a list to tick."""

_US_ZONES = (
    ("America/New_York", marked("Eastern (New York)")),
    ("America/Chicago", marked("Central (Chicago)")),
    ("America/Denver", marked("Mountain (Denver)")),
    ("America/Phoenix", marked("Arizona (Phoenix)")),
    ("America/Los_Angeles", marked("Pacific (Los Angeles)")),
    ("America/Anchorage", marked("Alaska (Anchorage)")),
    ("Pacific/Honolulu", marked("Hawaii (Honolulu)")),
    ("America/Puerto_Rico", marked("Atlantic (Puerto Rico)")),
    ("Pacific/Guam", marked("Chamorro (Guam)")),
)
_GAPS = ((24, marked("1 day (everyone’s rule)")), (48, marked("2 days")), (72, marked("3 days")), (168, marked("1 week")), (336, marked("2 weeks")), (720, marked("30 days")))  # fmt: skip


NAMELESS = marked("an employer that is not known here")


def fields(choices: Choices, at: datetime) -> dict[str, Any]:
    """The choices under the names of the form's fields."""
    zone, quiet = zone_of(choices.time_zone), choices.quiet_hours
    paused_until = choices.paused_until if grants.is_paused(choices, at=at) else None
    return {
        "purposes": list(choices.purposes),
        "sectors": list(choices.sectors),
        "blocked_employers": list(choices.blocked_employers),
        "blocked_names": "\n".join(choices.blocked_names),
        "first_contacts_per_week": _text(choices.first_contacts_per_week),
        "min_gap_hours": _text(choices.min_gap_hours),
        "quiet_hours.start": f"{quiet.start:%H:%M}" if quiet else "",
        "quiet_hours.end": f"{quiet.end:%H:%M}" if quiet else "",
        "time_zone": choices.time_zone or "",
        "paused_until": f"{paused_until.astimezone(zone):%Y-%m-%d}" if paused_until else "",
        "ends_at": f"{_end(choices, at).astimezone(zone):%Y-%m-%d}",
    }


def options(choices: Choices, employers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What each list of the form offers; a present choice is always among it, so that saving does not lose it."""
    finer = [
        (code, gettext("Only %(work)s", work=work(code)), "") for code in choices.sectors if code not in MAJOR_GROUPS
    ]
    gone = [code for code in choices.blocked_employers if code not in dict(employers)]
    others = sorted(zones() - {zone for zone, _ in _US_ZONES})
    hours = choices.min_gap_hours
    gaps = [(number, gettext(words)) for number, words in _GAPS]
    if hours is not None and hours not in dict(_GAPS):
        gaps.append((hours, gettext("%(hours)s hours", hours=hours)))
    weekly = [(POLICY_CONTACTS_PER_WEEK, gettext("%(cap)s (everyone’s rule)", cap=POLICY_CONTACTS_PER_WEEK)), (1, "1")]
    return {
        "sectors": [(code, gettext(title), "") for code, title in MAJOR_GROUPS.items()] + finer,
        "employers": _offered(choices, employers) + [(code, _sentence(gettext(NAMELESS)), "") for code in gone],
        "zones": [(zone, gettext(words)) for zone, words in _US_ZONES],
        "other_zones": [(zone, zone_name(zone)) for zone in others],
        "weekly": _with_default(weekly, choices.first_contacts_per_week),
        "gaps": _with_default(gaps, hours),
    }


def _offered(choices: Choices, employers: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """A list to tick is for dozens; of hundreds it shows those that are blocked, and the others are typed."""
    shown = (
        employers
        if len(employers) <= MOST_TICKED
        else [one for one in employers if one[0] in choices.blocked_employers]
    )
    return [(code, name, "") for code, name in shown]


def limits(choices: Choices, name: Names, at: datetime) -> dict[str, str]:
    """Each group of limits in a few words, as its heading shows them."""
    sectors = [work(code) for code in choices.sectors]
    blocked = [shown(name(code), gettext(NAMELESS)) for code in choices.blocked_employers]
    blocked += [
        gettext("whoever is called just “%(typed)s”, now or later", typed=typed) for typed in choices.blocked_names
    ]
    return {
        "sectors": _some(sectors, gettext("all")),
        "employers": _some(blocked, gettext("nobody")),
        "times": times(choices),
        "dates": _dates(choices, at),
    }


def facts(choices: Choices, name: Names, at: datetime) -> list[tuple[str, str]]:
    """What is on and what is off, with the limits that matter, as rows of a list."""
    said = limits(choices, name, at)
    has_ended = grants.has_ended(choices, at=at)
    on = set() if has_ended else set(choices.purposes)
    rows = [
        (
            gettext("Your profile"),
            _profile(choices, at) if "match" in on else gettext("Off – no employer sees it"),
        ),
        (
            gettext("Messages"),
            _messages(choices, at, is_seen="match" in on) if "contact" in on else gettext("Off – nobody writes to you"),
        ),
    ]
    if on or choices.sectors:
        rows.append((gettext("Kinds of work"), _sentence(said["sectors"])))
    if choices.blocked_employers or choices.blocked_names:
        rows.append((gettext("Blocked employers"), _sentence(said["employers"])))
    if has_ended and choices.purposes:
        rows.append(
            (gettext("Ended"), gettext("On %(day)s: what was on before is off", day=day(choices.ends_at, choices)))
        )
    elif on:
        rows.append((gettext("Until"), day(choices.ends_at, choices)))
    return rows


def times(choices: Choices) -> str:
    """How often and when first messages may come."""
    cap = choices.first_contacts_per_week or POLICY_CONTACTS_PER_WEEK
    hours = choices.min_gap_hours or int(POLICY_GAP.total_seconds()) // 3600
    days = hours // 24
    apart = (
        ngettext("%(num)s day", "%(num)s days", days) if hours % 24 == 0 else gettext("%(hours)s hours", hours=hours)
    )
    opens, closes, quiet = POLICY_OPENS, POLICY_CLOSES, choices.quiet_hours
    if quiet is not None and quiet.start > quiet.end:  # over midnight: what is left is one piece
        opens, closes, quiet = max(opens, quiet.end), min(closes, quiet.start), None
    said = {"cap": cap, "apart": apart, "opens": clock(opens), "closes": clock(closes)}
    if choices.time_zone is None:
        return _times_everywhere(choices.quiet_hours, cap=cap, apart=apart)
    if quiet is None:
        return gettext("at most %(cap)s in 7 days, %(apart)s apart, %(opens)s to %(closes)s", **said)
    return gettext(
        "at most %(cap)s in 7 days, %(apart)s apart, %(opens)s to %(closes)s, not %(start)s to %(end)s",
        **said,
        start=clock(quiet.start),
        end=clock(quiet.end),
    )


def _times_everywhere(quiet: Quiet | None, *, cap: int, apart: str) -> str:
    """The same while nobody knows what time it is for the person."""
    said = {"cap": cap, "apart": apart, "opens": clock(POLICY_OPENS), "closes": clock(POLICY_CLOSES)}
    if quiet is None:
        return gettext(
            "at most %(cap)s in 7 days, %(apart)s apart, %(opens)s to %(closes)s in all 50 states at once, since your time zone is not chosen",
            **said,
        )
    return gettext(
        "at most %(cap)s in 7 days, %(apart)s apart, %(opens)s to %(closes)s and not %(start)s to %(end)s in all 50 states at once, since your time zone is not chosen",
        **said,
        start=clock(quiet.start),
        end=clock(quiet.end),
    )


def blocks_nobody(choices: Choices, employers: Sequence[Employer]) -> list[str]:
    """A sentence for each name on the person's list that nobody has now, with those that may be meant."""
    if not choices.blocked_names:
        return []
    blocked = {one.name for one in employers if one.id in choices.blocked_employers}
    called = [Called(one.called, one.domain, one.name) for one in employers]
    return [
        gettext(
            "“%(typed)s” blocks nobody now: no employer in Fairpool is called just that. Did you mean %(near)s? Check "
            "its box, or write its name in full.",
            typed=one.typed,
            near=gettext(" or ").join(one.near),
        )
        if one.near
        else gettext(
            "“%(typed)s” blocks nobody now: no employer in Fairpool is called that. Whoever joins under this name later is blocked.",
            typed=one.typed,
        )
        for one in unmet(choices.blocked_names, called, blocked=blocked)
    ]


def day(moment: datetime | None, choices: Choices) -> str:
    """The day of a moment in the person's zone, such as `November 22, 2027`."""
    return wording.day(moment, choices.time_zone) if moment is not None else ""


def work(code: str) -> str:
    """The kind of work behind a SOC code, as its catalogue calls it."""
    group = MAJOR_GROUPS.get(code)
    return (gettext(group) if group else None) or occupation_titles().get(code) or code


def told(found: Fact[Introduction], name: Names) -> str:
    """Why the person has this link, as one sentence."""
    introduction = shown(found, None)
    if introduction is None:
        return gettext(
            "You have this link because you joined Fairpool, or because a hiring system that you applied through told us about you."
        )
    on = wording.day(introduction.at)
    if introduction.teller == JOIN:
        return gettext("You have this link because our join page was filled in with your email on %(day)s.", day=on)
    teller = shown(name(introduction.teller), gettext("an employer or its hiring system"))
    return gettext("You have this link because %(teller)s told us about you on %(day)s.", teller=teller, day=on)


def attempts(uses: Sequence[Attempt], name: Names, choices: Choices) -> list[tuple[str, str]]:
    """What unsubscribe links were used for, each with when."""
    return [(wording.moment(use.at, choices.time_zone), _use(use, name)) for use in uses]


def _use(use: Attempt, name: Names) -> str:
    sender = shown(name(use.employer), gettext(NAMELESS)) if use.employer else "Fairpool"
    wanted = (
        gettext("A link in an email from %(sender)s was used to stop everyone.", sender=sender)
        if use.scope == "all"
        else gettext("A link in an email from %(sender)s was used to stop that employer.", sender=sender)
    )
    end = {
        "changed": gettext("That was done."),
        "nothing": gettext("Nothing changed: it was so already."),
        "asked": gettext("It was too old for that, so you got an email that asks you."),
    }[use.outcome]
    return f"{wanted} {end}"


def zone_name(zone: str) -> str:
    """A time zone as the page offers it: `Mountain (Denver)`."""
    return gettext(dict(_US_ZONES).get(zone, zone.replace("_", " ")))


def clock(moment: time) -> str:
    """`9 pm`, `12:30 pm`, `noon`."""
    if (moment.hour % 12, moment.minute) == (0, 0):
        return gettext("noon") if moment.hour else gettext("midnight")
    half = {"es": ("a.m.", "p.m.")}.get(present().locale, ("am", "pm"))[moment.hour >= 12]
    minutes = f":{moment:%M}" if moment.minute else ""
    return f"{(moment.hour - 1) % 12 + 1}{minutes}\N{NO-BREAK SPACE}{half}"


def _dates(choices: Choices, at: datetime) -> str:
    end = day(_end(choices, at), choices)
    if not grants.is_paused(choices, at=at):
        return end
    return gettext("%(end)s; a break until %(day)s", end=end, day=day(choices.paused_until, choices))


def _profile(choices: Choices, at: datetime) -> str:
    if grants.is_paused(choices, at=at):
        return gettext("Off until %(day)s – you are taking a break", day=day(choices.paused_until, choices))
    return gettext("On – employers whose jobs fit can see it")


def _messages(choices: Choices, at: datetime, *, is_seen: bool) -> str:
    if not is_seen:
        return gettext("On – but nobody can write while no employer sees your profile")
    if grants.is_paused(choices, at=at):
        return gettext("Off until %(day)s – you are taking a break", day=day(choices.paused_until, choices))
    return gettext("On – %(times)s", times=times(choices))


def _end(choices: Choices, at: datetime) -> datetime:
    """When the answer ends, or would if it were given now."""
    return choices.ends_at if choices.ends_at is not None and choices.ends_at > at else at + LASTS


def _some(names: Sequence[str], none: str) -> str:
    if not names:
        return none
    if len(names) <= 3:
        return ", ".join(names)
    return gettext("%(names)s and %(count)s more", names=", ".join(names[:2]), count=len(names) - 2)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _with_default(numbers: Sequence[tuple[int, str]], chosen: int | None) -> list[tuple[str, str]]:
    """The first stands for everyone's rule, and is sent as no choice unless it was chosen as a number."""
    (first, label), *rest = numbers
    return [(_text(first) if chosen == first else "", label), *((str(number), text) for number, text in rest)]


def filled(given: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """The form as it was sent, to be corrected."""
    return {**fields(Choices(), at), **given}
