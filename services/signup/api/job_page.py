"""`GET,POST /j/{token}`: where the job link of a message leads, before it leads to the employer.

The employer's own address stands in no email: one of its own in each would tell, through a mail scanner that opens links, the
second at which the email was delivered. Here a look (GET, HEAD, a prefetch) tells nobody anything; only a tap, which is a POST,
is sent on. A scanner that also submits forms is sent on as well: nothing tells it from a person.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.responses import Response

from services.signup.api.refuse import PAGES
from shared.security.links import BadLink, JobLink, LinkReader
from shared.web import problems
from shared.web.middleware import content_security_policy
from shared.web.problems import Problem, kind
from shared.web.routes import shows_pages

_ANSWERS: dict[int | str, dict[str, Any]] = {
    404: {"description": "Not a link to a job's page"},
    410: {"description": "The offer is over"},
}
_LEADS_ON = {"Content-Security-Policy": content_security_policy("https:")}
"""Browsers hold a form to it also where the employer's host sends them on, to whichever host that is."""


def router(links: LinkReader, now: Callable[[], datetime]) -> APIRouter:
    """The page before a job's page."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/j/{token}", summary="Where a message's job link leads; goes nowhere yet", responses=_ANSWERS)
    async def show(request: Request, token: str) -> Response:
        link = links.read_job(token, at=now())
        if isinstance(link, BadLink):
            return _bad_link(request, link)
        if not shows_pages(request.scope):
            return JSONResponse({"host": _host(link), "title": link.title, "organization": link.organization})
        return PAGES.render("job.html", link=link, host=_host(link), address=f"/j/{token}", headers=_LEADS_ON)

    @routes.post(
        "/j/{token}",
        summary="Go on to the job's page",
        status_code=303,
        responses={303: {"description": "The employer's page is at `Location`"}, **_ANSWERS},
    )
    async def go_on(request: Request, token: str) -> Response:
        link = links.read_job(token, at=now())
        if isinstance(link, BadLink):
            return _bad_link(request, link)
        return RedirectResponse(link.url, 303, headers=_LEADS_ON)

    return routes


def _host(link: JobLink) -> str:
    return urlsplit(link.url).hostname or ""


def _bad_link(request: Request, bad: BadLink) -> Response:
    is_over = bad.reason == "expired"
    if shows_pages(request.scope):
        return PAGES.render("job_not.html", status=410 if is_over else 404, is_over=is_over)
    if is_over:
        problem = Problem(410, "Offer over", "The last day of this job's offer has passed.", type=kind("link-expired"))
    else:
        detail = "This is not a whole link to a job's page. Copy all of it from the email."
        problem = Problem(404, "No such link", detail, type=kind("no-such-link"))
    return problems.response(request.scope, problem)
