"""How days, moments and tenants are written for people: one form on every page and in every email."""

from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo


def zone_of(name: str | None) -> tzinfo:
    """The time zone of that IANA name; UTC where there is none, or none that this machine knows."""
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, OSError, ValueError):  # unknown to this machine, or no name at all
        return UTC


def day(when: date, zone: str | None = None) -> str:
    """`November 27, 2026`; of a moment the day that it is in the person's zone (IANA name), in UTC where none is known."""
    here = when.astimezone(zone_of(zone)) if isinstance(when, datetime) else when
    return f"{here:%B} {here.day}, {here.year}"


def moment(when: datetime, zone: str | None = None) -> str:
    """`November 27, 2026, 2:30 pm MST`, in the person's zone (IANA name); where none is known it is UTC, and says so."""
    here = when.astimezone(zone_of(zone))
    half = "am" if here.hour < 12 else "pm"
    named = here.tzname() or "UTC"
    return (
        f"{day(here.date())}, {(here.hour - 1) % 12 + 1}:{here:%M} {half} {named if named.isalpha() else f'UTC{named}'}"
    )


def tenant(name: str, domain: str | None) -> str:
    """A tenant as people read it: the name with the verified domain beside it, `Denver Health (denverhealth.org)`."""
    return f"{name} ({domain})" if domain else name
