"""What the pages show: choices as form fields, and choices in plain words."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time
from typing import Any

from services.consent.api.bodies import zone_of
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
)
from shared import wording
from shared.contracts import grants
from shared.contracts.codes import occupation_titles
from shared.contracts.signup import JOIN
from shared.facts import Fact, shown

Names = Callable[[str], Fact[str]]
MOST_TICKED = 50
"""Employers, as a list to tick."""

_US_ZONES = (
    ("America/New_York", "Eastern (New York)"),
    ("America/Chicago", "Central (Chicago)"),
    ("America/Denver", "Mountain (Denver)"),
    ("America/Phoenix", "Arizona (Phoenix)"),
    ("America/Los_Angeles", "Pacific (Los Angeles)"),
    ("America/Anchorage", "Alaska (Anchorage)"),
    ("Pacific/Honolulu", "Hawaii (Honolulu)"),
    ("America/Puerto_Rico", "Atlantic (Puerto Rico)"),
    ("Pacific/Guam", "Chamorro (Guam)"),
)
_GAPS = ((24, "1 day (everyone’s rule)"), (48, "2 days"), (72, "3 days"), (168, "1 week"), (336, "2 weeks"), (720, "30 days"))  # fmt: skip


NAMELESS = "an employer that is not known here"


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
    finer = [(code, f"Only {work(code)}", "") for code in choices.sectors if code not in MAJOR_GROUPS]
    gone = [code for code in choices.blocked_employers if code not in dict(employers)]
    others = sorted(zones() - {zone for zone, _ in _US_ZONES})
    hours = choices.min_gap_hours
    gaps = list(_GAPS) if hours is None or hours in dict(_GAPS) else [*_GAPS, (hours, f"{hours} hours")]
    weekly = [(POLICY_CONTACTS_PER_WEEK, f"{POLICY_CONTACTS_PER_WEEK} (everyone’s rule)"), (1, "1")]
    return {
        "sectors": [(code, title, "") for code, title in MAJOR_GROUPS.items()] + finer,
        "employers": _offered(choices, employers) + [(code, _sentence(NAMELESS), "") for code in gone],
        "zones": _US_ZONES,
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
    blocked = [shown(name(code), NAMELESS) for code in choices.blocked_employers]
    blocked += [f"whoever is called “{typed}”" for typed in choices.blocked_names]
    return {
        "sectors": _some(sectors, "all"),
        "employers": _some(blocked, "nobody"),
        "times": times(choices),
        "dates": _dates(choices, at),
    }


def facts(choices: Choices, name: Names, at: datetime) -> list[tuple[str, str]]:
    """What is on and what is off, with the limits that matter, as rows of a list."""
    said = limits(choices, name, at)
    has_ended = grants.has_ended(choices, at=at)
    on = set() if has_ended else set(choices.purposes)
    rows = [
        ("Your profile", "On – employers whose jobs fit can see it" if "match" in on else "Off – no employer sees it"),
        (
            "Messages",
            _messages(choices, at, is_seen="match" in on) if "contact" in on else "Off – nobody writes to you",
        ),
    ]
    if on or choices.sectors:
        rows.append(("Kinds of work", _sentence(said["sectors"])))
    if choices.blocked_employers or choices.blocked_names:
        rows.append(("Blocked employers", _sentence(said["employers"])))
    if has_ended and choices.purposes:
        rows.append(("Ended", f"On {day(choices.ends_at, choices)}: what was on before is off"))
    elif on:
        rows.append(("Until", day(choices.ends_at, choices)))
    return rows


def times(choices: Choices) -> str:
    """How often and when first messages may come."""
    cap = choices.first_contacts_per_week or POLICY_CONTACTS_PER_WEEK
    hours = choices.min_gap_hours or int(POLICY_GAP.total_seconds()) // 3600
    apart = f"{hours // 24} day{'s' if hours >= 48 else ''}" if hours % 24 == 0 else f"{hours} hours"
    quiet = choices.quiet_hours
    between = f"{clock(POLICY_OPENS)} to {clock(POLICY_CLOSES)}"
    without = f", not {clock(quiet.start)} to {clock(quiet.end)}" if quiet else ""
    return f"at most {cap} in 7 days, {apart} apart, {between}{without}"


def day(moment: datetime | None, choices: Choices) -> str:
    """The day of a moment in the person's zone, such as `November 22, 2027`."""
    return wording.day(moment, choices.time_zone) if moment is not None else ""


def work(code: str) -> str:
    """The kind of work behind a SOC code, as its catalogue calls it."""
    return MAJOR_GROUPS.get(code) or occupation_titles().get(code) or code


def told(found: Fact[Introduction], name: Names) -> str:
    """Why the person has this link, as one sentence."""
    introduction = shown(found, None)
    if introduction is None:
        return "You have this link because you joined Fairpool, or because a hiring system that you applied through told us about you."
    on = wording.day(introduction.at)
    if introduction.teller == JOIN:
        return f"You have this link because our join page was filled in with your email on {on}."
    teller = shown(name(introduction.teller), "an employer or its hiring system")
    return f"You have this link because {teller} told us about you on {on}."


def attempts(uses: Sequence[Attempt], name: Names, choices: Choices) -> list[tuple[str, str]]:
    """What unsubscribe links were used for, each with when."""
    return [(wording.moment(use.at, choices.time_zone), _use(use, name)) for use in uses]


def _use(use: Attempt, name: Names) -> str:
    sender = shown(name(use.employer), NAMELESS) if use.employer else "Fairpool"
    wanted = "everyone" if use.scope == "all" else "that employer"
    end = {
        "changed": "That was done",
        "nothing": "Nothing changed: it was so already",
        "asked": "It was too old for that, so you got an email that asks you",
    }[use.outcome]
    return f"A link in an email from {sender} was used to stop {wanted}. {end}."


def zone_name(zone: str) -> str:
    """A time zone as the page offers it: `Mountain (Denver)`."""
    return dict(_US_ZONES).get(zone) or zone.replace("_", " ")


def clock(moment: time) -> str:
    """`9 pm`, `12:30 pm`, `noon`."""
    if (moment.hour % 12, moment.minute) == (0, 0):
        return "noon" if moment.hour else "midnight"
    minutes = f":{moment:%M}" if moment.minute else ""
    return f"{(moment.hour - 1) % 12 + 1}{minutes}\N{NO-BREAK SPACE}{'am' if moment.hour < 12 else 'pm'}"


def _dates(choices: Choices, at: datetime) -> str:
    end = day(_end(choices, at), choices)
    return f"{end}; paused until {day(choices.paused_until, choices)}" if grants.is_paused(choices, at=at) else end


def _messages(choices: Choices, at: datetime, *, is_seen: bool) -> str:
    if not is_seen:
        return "On – but nobody can write while no employer sees your profile"
    if grants.is_paused(choices, at=at):
        return f"Paused – nobody writes first until {day(choices.paused_until, choices)}"
    return f"On – {times(choices)}"


def _end(choices: Choices, at: datetime) -> datetime:
    """When the answer ends, or would if it were given now."""
    return choices.ends_at if choices.ends_at is not None and choices.ends_at > at else at + LASTS


def _some(names: Sequence[str], none: str) -> str:
    if not names:
        return none
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"


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
