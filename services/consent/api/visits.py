"""Who came to the page of choices, by a link or signed in, and where their other pages are."""

from dataclasses import dataclass
from typing import Literal

from services.consent.api.edge import Edge
from shared.contracts.consent import LinkStatement
from shared.security.links import Link
from shared.web.holders import Holder
from shared.web.person import Entry

PageDoor = Literal["confirm", "me"]
"""Through which of the two pages."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What opened the page, and where it leads."""

    door: PageDoor
    candidate: str
    session: str
    """Its name; empty where they came by a link."""
    statement: LinkStatement | None
    """Signup's, of the link or session, where it holds: without one nothing can be switched on."""
    address: str
    profile: str
    erase: str
    link: Link | None = None
    """By which they came; none where somebody is signed in."""
    asked: str = ""
    """What a link to a receipt needs besides: where somebody is signed in, nothing."""


def by_link(edge: Edge, token: str) -> Visit:
    """By the token of a confirm link; raises BadLinkError."""
    link = edge.link(token, "confirm")
    return Visit(
        "confirm",
        link.candidate,
        "",
        edge.stated(link),
        f"/confirm/{token}",
        f"{edge.profile}/{token}",
        f"{edge.erase}/{token}",
        link,
        f"?token={token}",
    )


def by_session(edge: Edge, holder: Holder) -> Visit:
    """Of somebody who is signed in."""
    profile, erase = edge.navigation.url("profile"), f"{edge.navigation.signup_url}/me/erase"
    return Visit("me", holder.candidate, holder.session, edge.stated(holder), "/me", profile, erase)


def navigation(edge: Edge, visit: Visit) -> tuple[Entry, ...]:
    """Of whoever is signed in; a link from an email opens its own page alone."""
    return edge.navigation.at("choices") if visit.door == "me" else ()
