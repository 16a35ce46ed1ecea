"""Who a person is and what they do, as a vendor tells it or they say it."""

from datetime import date
from typing import Literal

from pydantic import ConfigDict

from shared.contracts.base import Value
from shared.contracts.signup import EmploymentType
from shared.i18n import Locale

Change = Literal["signed_up", "changed", "hired", "deleted", "merged"]
Proof = Literal["signature", "key", "page"]
"""How the edge knew who told it: the body's signature, the vendor's key, or (the join page) not at all: anybody can type there."""
Record = tuple[str, str]
"""A vendor and the candidate's id in its system."""


class Person(Value):
    """Who a vendor says a person is. It shows nothing of itself."""

    model_config = ConfigDict(hide_input_in_errors=True)

    mail: str
    given_name: str | None = None
    family_name: str | None = None
    phones: tuple[str, ...] = ()
    """E.164."""

    def __repr__(self) -> str:
        return "Person(hidden)"

    __str__ = __repr__


class RawProfile(Value):
    """What a vendor tells of a person's work, before it is made coarse."""

    model_config = ConfigDict(hide_input_in_errors=True)

    titles: tuple[str, ...] = ()
    occupations: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    years: int | None = None
    postal_code: str | None = None
    state: str | None = None
    remote: bool = False
    employment_types: tuple[EmploymentType, ...] = ()
    pay_floor: int | None = None
    available_from: date | None = None
    time_zone: str | None = None

    def __repr__(self) -> str:
        return "RawProfile(hidden)"

    __str__ = __repr__


class Told(Value):
    """What is sealed on its way over the bus."""

    person: Person | None = None
    profile: RawProfile | None = None
    without_email: bool | None = None
    """From the join page: the mailbox was emailed enough today, so what was written is taken and nothing is sent."""
    locale: Locale | None = None
    """From the join page: in which language it was filled in."""
    event_id: str | None = None
    """The teller's own."""
    proof: Proof | None = None


NOTHING_TOLD = Told()
