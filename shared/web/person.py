"""The pages of somebody who is signed in: one navigation over two services (`_person.html`)."""

from dataclasses import dataclass
from typing import Literal

from shared.i18n import gettext, marked

Owner = Literal["consent", "signup"]


@dataclass(frozen=True, slots=True)
class Place:
    """One of the pages."""

    name: str
    label: str
    path: str
    owner: Owner


PLACES = (
    Place("choices", marked("What you allow"), "/me", "consent"),
    Place("told", marked("Who could read what"), "/me/told", "consent"),
    Place("messages", marked("Messages"), "/me/messages", "consent"),
    Place("profile", marked("Profile"), "/me/profile", "signup"),
    Place("data", marked("What we hold"), "/me/data", "signup"),
    Place("email", marked("Your email"), "/me/email", "signup"),
    Place("export", marked("Take it along"), "/me/export", "signup"),
    Place("sessions", marked("Signed in"), "/me/sessions", "signup"),
)
"""In the order in which they are shown. Behind the edge all have one host, on a laptop two ports."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A place, as a page links to it."""

    label: str
    url: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Navigation:
    """Where the pages are."""

    signup_url: str
    consent_url: str

    def at(self, here: str) -> tuple[Entry, ...]:
        """For a page's value `navigation`; `here` is its own place's name."""
        return tuple(Entry(gettext(place.label), self._url(place), place.name == here) for place in PLACES)

    def url(self, name: str) -> str:
        """The address of the place with this name."""
        (found,) = (place for place in PLACES if place.name == name)
        return self._url(found)

    def _url(self, place: Place) -> str:
        return (self.signup_url if place.owner == "signup" else self.consent_url) + place.path
