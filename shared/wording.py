"""How days, moments, pay and tenants are written for people: one form on every page and in every email."""

from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from babel.numbers import format_decimal

from shared import i18n
from shared.contracts.outreach_gateway import Pay
from shared.i18n import gettext, marked

_SPANISH = "es_US"


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
    if i18n.present().locale == "es":
        return format_date(here, "long", locale=_SPANISH)
    return f"{here:%B} {here.day}, {here.year}"


def written_day(written: str) -> str:
    """The same of a day that is written as a date (`2026-11-27`); anything else as it stands."""
    try:
        return day(date.fromisoformat(written))
    except ValueError:
        return written


def moment(when: datetime, zone: str | None = None) -> str:
    """`November 27, 2026, 2:30 pm MST`, in the person's zone (IANA name); where none is known it is UTC, and says so."""
    here = when.astimezone(zone_of(zone))
    named = here.tzname() or "UTC"
    return f"{day(here.date())}, {time_of_day(here.time())} {named if named.isalpha() else f'UTC{named}'}"


def time_of_day(when: time) -> str:
    """`2:30 pm`, on whatever clock it was."""
    if i18n.present().locale == "es":
        return format_time(when, "h:mm a", locale=_SPANISH)
    return f"{(when.hour - 1) % 12 + 1}:{when:%M} {'am' if when.hour < 12 else 'pm'}"


def weekday(when: date) -> str:
    """`Thursday`, of a moment that is on the person's clock already."""
    return format_date(when, "EEEE", locale=_SPANISH if i18n.present().locale == "es" else "en_US")


def month(when: date) -> str:
    """`December 2026`."""
    return (
        format_date(when, "LLLL 'de' y", locale=_SPANISH) if i18n.present().locale == "es" else f"{when:%B} {when.year}"
    )


def number(value: int) -> str:
    """`20,000`: also in the Spanish of the United States with a comma."""
    return format_decimal(value, locale=_SPANISH if i18n.present().locale == "es" else "en_US")


def pay_in_words(pay: Pay) -> str:
    """As people write it: `USD 82,000 to 96,000 a year`."""
    low, high = (f"{amount:,.2f}".removesuffix(".00") for amount in (pay.min, pay.max))
    sums = low if low == high else gettext("%(low)s to %(high)s", low=low, high=high)
    said = {"hour": marked("%(pay)s an hour"), "year": marked("%(pay)s a year")}.get(pay.per, f"%(pay)s a {pay.per}")
    return gettext(said, pay=f"{pay.currency} {sums}")


def tenant(name: str, domain: str | None) -> str:
    """A tenant as people read it: the name with the verified domain beside it, `Denver Health (denverhealth.org)`."""
    return f"{name} ({domain})" if domain else name
