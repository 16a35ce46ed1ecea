"""The page `/`: what Fairpool is, who runs it, what it costs, what happens with what we know, and who is in it."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from shared import wording
from shared.imprint import Operator
from shared.web.pages import SHARED
from shared.web.tenants import Tenants

MOST_NAMED = 500
"""Employers on the page; of more, their number is told."""


def router(operator: Operator, tenants: Tenants, *, title: str, signup_url: str | None) -> APIRouter:
    """The page for people, where `signup_url` says where they join; a short one for programs' owners where it does not."""
    routes = APIRouter()

    @routes.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def home() -> HTMLResponse:
        if signup_url is None:
            return SHARED.render("home_of_programs.html", operator=operator, name=title)
        there = [employer for employer in tenants.of_kind("employer") if not employer.suspended]
        names = sorted((wording.tenant(one.name, one.domain) for one in there), key=str.casefold)
        return SHARED.render(
            "home.html",
            operator=operator,
            employers=names[:MOST_NAMED],
            more=max(len(names) - MOST_NAMED, 0),
            join=f"{signup_url}/join",
            sign_in=f"{signup_url}/sign-in",
        )

    return routes
