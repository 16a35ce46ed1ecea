"""What whoever comes by a link is answered that opens nothing here."""

from fastapi import Request
from starlette.responses import Response

from shared.security.links import BadLink
from shared.web import problems
from shared.web.pages import Pages
from shared.web.problems import Problem, kind
from shared.web.routes import shows_pages

PAGES = Pages("services.signup")


def problem_of(bad: BadLink) -> Problem:
    """410 for one that was good once, 404 for any other."""
    if bad.reason == "void":
        detail = "This link was made before the person's email changed, or before a mailbox said no to that: it opens nothing any more. /sign-in mails a new one."
        return Problem(410, "Link of before", detail, type=kind("link-void"))
    if bad.reason == "expired":
        detail = "This link was good once and has expired. /sign-in mails a new one."
        return Problem(410, "Link expired", detail, type=kind("link-expired"))
    detail = "This is not a whole link of this page. /sign-in mails a new one."
    return Problem(404, "No such link", detail, type=kind("no-such-link"))


def no_longer_here() -> Problem:
    """For the link of somebody who was erased."""
    detail = "Nobody is in the pool by this link any more, and nothing of them is kept. /join is the way in again."
    return Problem(410, "No longer here", detail, type=kind("no-longer-here"))


def bad_link(request: Request, bad: BadLink) -> Response:
    """A page where a browser asks, else the problem."""
    problem = problem_of(bad)
    if shows_pages(request.scope):
        reason = bad.reason if problem.status == 410 else "forged"
        return PAGES.render("profile_link.html", status=problem.status, reason=reason)
    return problems.response(request.scope, problem)


def gone(request: Request) -> Response:
    """The same for `no_longer_here`."""
    if shows_pages(request.scope):
        return PAGES.render("profile_link.html", status=410, reason="gone")
    return problems.response(request.scope, no_longer_here())
