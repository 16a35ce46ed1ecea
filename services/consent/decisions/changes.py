"""What a person may change, and what they are told when something can't be so."""

import re
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import TypeAlias
from zoneinfo import available_timezones

from services.consent.decisions.hours import open_time
from services.consent.decisions.names import keys_of_name
from services.consent.model import (
    FURTHEST,
    LASTS,
    LEAST_OPEN_HOURS,
    LONGEST_GAP,
    LONGEST_NAME,
    MAJOR_GROUPS,
    MOST_NAMES,
    POLICY_CONTACTS_PER_WEEK,
    POLICY_GAP,
    PURPOSES,
    Choices,
    Present,
    What,
)
from shared.contracts import grants
from shared.contracts.consent import Purpose
from shared.i18n import gettext, marked
from shared.text import why_not_one_line

_SOC = re.compile(r"\d{2}-\d{4}", re.ASCII)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Changed:
    """Something is different now and must be written."""

    choices: Choices


@dataclass(frozen=True, slots=True)
class Unchanged:
    """It is so already."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It can't be so; a sentence for each field at fault."""

    errors: Mapping[str, str]


Outcome: TypeAlias = Changed | Unchanged | Refused


@dataclass(frozen=True, slots=True)
class _Asked:
    present: Choices
    wish: Choices
    at: datetime
    employers: Container[str]


def change(
    present: Present,
    wish: Choices,
    at: datetime,
    *,
    employers: Container[str],
    named: Collection[str] = (),
    signs: str | None = None,
) -> Outcome:
    """The wish as the new state; one that switches everything off is never refused, whatever else is in it.

    `named`: the employers of the network that the wish blocks by name; `signs`: the version of the agreement that it is an
    answer to, so that the same choices under another text are a change.
    """
    wished = _settled(present.choices, wish, at)
    asked = _Asked(present.choices, wished, at, employers)
    errors = {field: sentence for field, rule in RULES if (sentence := rule(asked))}
    if errors and wished.purposes:
        return Refused(errors)
    if errors:
        return stop_all(present)
    choices = replace(wished, blocked_employers=_in_order(*wished.blocked_employers, *named))
    if choices.purposes and (present.own_end is not None or signs not in (None, present.agreement)):
        return Changed(choices)
    return _outcome(present, choices)


def stop_all(present: Present) -> Changed | Unchanged:
    """Every purpose off, everywhere; the limits stay for the day when something is switched on again."""
    return _outcome(present, replace(present.choices, purposes=()))


def block_employer(present: Present, employer: str) -> Changed | Unchanged:
    """This employer neither sees the person nor writes to them; the rest stays."""
    blocked = _in_order(*present.choices.blocked_employers, employer)
    return _outcome(present, replace(present.choices, blocked_employers=blocked))


def take_back(present: Present, wish: Choices) -> Changed | Unchanged:
    """What of the wish takes something back: what it has off goes off, whom it blocks is blocked. All else stays as it is."""
    now = present.choices
    left = replace(
        now,
        purposes=tuple(purpose for purpose in now.purposes if purpose in wish.purposes),
        blocked_employers=_in_order(*now.blocked_employers, *wish.blocked_employers),
        blocked_names=wish.blocked_names if set(now.blocked_names) <= set(wish.blocked_names) else now.blocked_names,
    )
    return Unchanged() if left == now else Changed(left)


def _in_order(*entries: str) -> tuple[str, ...]:
    return tuple(sorted(set(entries)))


def is_grant(present: Choices, wish: Choices, at: datetime) -> bool:
    """Whether it allows what was not allowed just before: a purpose that was off or had ended, an employer let in again."""
    before = set() if grants.has_ended(present, at=at) else set(present.purposes)
    let_in = set(present.blocked_employers) - set(wish.blocked_employers)
    return not set(wish.purposes) <= before or bool(let_in)


def takes_back(present: Choices, wish: Choices) -> bool:
    """Whether somebody who might use or write to the person before may not any more."""
    return bool(
        set(present.purposes) - set(wish.purposes) or set(wish.blocked_employers) - set(present.blocked_employers)
    )


def switched_on(present: Present, choices: Choices, at: datetime) -> tuple[Purpose, ...]:
    """What is on now and was off or had ended before."""
    before = present.choices
    had_ended = grants.has_ended(before, at=at)
    return tuple(one for one in choices.purposes if had_ended or one not in before.purposes)


def what_changed(present: Present, choices: Choices) -> What | None:
    """What the person is told of a change through their own page; nothing of their first answer."""
    if present.version == 0:
        return None
    return "everything_stopped" if present.choices.purposes and not choices.purposes else "choices_changed"


def _outcome(present: Present, choices: Choices) -> Changed | Unchanged:
    """The first answer is a change even if it is a no: silence and a no are not the same."""
    if present.version > 0 and choices == present.choices:
        return Unchanged()
    return Changed(choices)


def _settled(present: Choices, wish: Choices, at: datetime) -> Choices:
    ends_at = wish.ends_at
    has_run_out = ends_at == present.ends_at and grants.has_ended(present, at=at)
    if wish.purposes and (ends_at is None or has_run_out):
        ends_at = at + LASTS
    return replace(
        wish,
        purposes=tuple(purpose for purpose in PURPOSES if purpose in wish.purposes),
        sectors=_in_order(*wish.sectors),
        blocked_employers=_in_order(*wish.blocked_employers),
        blocked_names=_tidy(wish.blocked_names),
        ends_at=ends_at,
    )


def _tidy(names: Iterable[str]) -> tuple[str, ...]:
    """Without blank ones, and each once: as it was typed first."""
    kept: dict[str, str] = {}
    for name in (" ".join(typed.split()) for typed in names):
        if name:
            kept.setdefault(name.casefold(), name)
    return tuple(kept.values())


def sectors_are_occupations(asked: _Asked) -> str | None:
    """Codes of the 2018 SOC, of any level, in one of its major groups."""
    if all(_SOC.fullmatch(code) and f"{code[:2]}-0000" in MAJOR_GROUPS for code in asked.wish.sectors):
        return None
    return marked("Kinds of work are SOC 2018 codes written in full, such as 29-0000 or 29-1141")


def blocked_employers_are_known(asked: _Asked) -> str | None:
    """An employer that left the network may stay blocked, but can't be blocked anew."""
    new = set(asked.wish.blocked_employers) - set(asked.present.blocked_employers)
    if all(employer in asked.employers for employer in new):
        return None
    return marked(
        "One of the employers to block is not known here: choose from those on the page, or block it by its name"
    )


def blocked_names_can_be_found(asked: _Asked) -> str | None:
    """So many names of so many characters, each with something to be found by."""
    names = asked.wish.blocked_names
    if len(names) > MOST_NAMES:
        return gettext("Names of employers to block: at most %(most)s", most=MOST_NAMES)
    if any(len(name) > LONGEST_NAME or why_not_one_line(name) or not keys_of_name(name) for name in names):
        return gettext(
            "Names of employers to block: one a line, a company’s name or domain, at most %(longest)s characters",
            longest=LONGEST_NAME,
        )
    return None


def contacts_only_tighten(asked: _Asked) -> str | None:
    """Never more first messages a week than everyone's rule allows."""
    wished = asked.wish.first_contacts_per_week
    if wished is None or 1 <= wished <= POLICY_CONTACTS_PER_WEEK:
        return None
    return gettext(
        "First messages a week: choose 1 or %(cap)s; to get none, switch messages off", cap=POLICY_CONTACTS_PER_WEEK
    )


def gap_only_tightens(asked: _Asked) -> str | None:
    """Never closer together than everyone's rule allows."""
    wished, least, most = asked.wish.min_gap_hours, POLICY_GAP // _HOUR, LONGEST_GAP // _HOUR
    if wished is None or least <= wished <= most:
        return None
    return gettext(
        "Hours between two messages: choose from %(least)s to %(most)s; to get none, pause or switch messages off",
        least=least,
        most=most,
    )


def zone_is_known(asked: _Asked) -> str | None:
    """A zone of the IANA time zone database."""
    if asked.wish.time_zone is None or asked.wish.time_zone in zones():
        return None
    return marked("The time zone must be an IANA name such as America/Denver")


def quiet_hours_leave_room(asked: _Asked) -> str | None:
    """Whoever wants messages leaves time for them: quiet hours are not a hidden off switch."""
    quiet = asked.wish.quiet_hours
    if quiet is None:
        return None
    if quiet.start == quiet.end:
        return marked("Quiet hours must end at another time than they start")
    if open_time(quiet, zone_is_known=asked.wish.time_zone is not None) >= LEAST_OPEN_HOURS:
        return None
    if asked.wish.time_zone:
        return marked(
            "Quiet hours must leave at least 2 hours a day open for messages, between 8 am and 9 pm; to get none, pause or switch messages off"
        )
    return marked(
        "Quiet hours must leave at least 2 hours a day open for messages, between 8 am and 9 pm, in every US time zone at once while yours is not chosen; to get none, pause or switch messages off"
    )


def pause_lies_ahead(asked: _Asked) -> str | None:
    """A pause ends later than now, unless it is one that stood there already."""
    if _lies_ahead(asked.wish.paused_until, asked.present.paused_until, asked.at):
        return None
    return marked("The pause must lie in the future, at most ten years ahead")


def end_lies_ahead(asked: _Asked) -> str | None:
    """An answer ends later than now."""
    if _lies_ahead(asked.wish.ends_at, asked.present.ends_at, asked.at):
        return None
    return marked("The end must lie in the future, at most ten years ahead")


Rule = Callable[[_Asked], str | None]
RULES: tuple[tuple[str, Rule], ...] = (
    ("sectors", sectors_are_occupations),
    ("blocked_employers", blocked_employers_are_known),
    ("blocked_names", blocked_names_can_be_found),
    ("first_contacts_per_week", contacts_only_tighten),
    ("min_gap_hours", gap_only_tightens),
    ("time_zone", zone_is_known),
    ("quiet_hours", quiet_hours_leave_room),
    ("paused_until", pause_lies_ahead),
    ("ends_at", end_lies_ahead),
)
"""Each rule with the field that it speaks of."""


def _lies_ahead(wished: datetime | None, present: datetime | None, at: datetime) -> bool:
    return wished is None or wished == present or at < wished <= at + FURTHEST


@cache
def zones() -> frozenset[str]:
    """The names that `time_zone` may have: those with a region, and UTC."""
    regions = ("Africa/", "America/", "Antarctica/", "Arctic/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/", "US/", "Etc/")  # fmt: skip
    return frozenset(zone for zone in available_timezones() if zone.startswith(regions)) | {"UTC"}
