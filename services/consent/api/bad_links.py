"""What a link that is no good is answered."""

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from services.consent.api.edge import BadLinkError, Edge, GoneError, NoLinkError
from shared.web import any_body, problems
from shared.web.problems import Problem
from shared.web.routes import shows_pages


def answer_bad_links(app: FastAPI, edge: Edge) -> None:
    """What each route of consent says where its link opens nothing."""
    any_body.mark(app, "/u/")

    async def on_bad_link(request: Request, error: Exception) -> Response:
        assert isinstance(error, BadLinkError)  # noqa: S101 - registered for this type only
        if shows_pages(request.scope):
            return edge.pages.render(
                "link.html",
                status=error.status,
                wrong="expired" if error.is_expired else "void" if error.is_void else "broken",
                sign_in=edge.sign_in,
                join=edge.join,
            )
        return problems.response(request.scope, _problem(error, edge.sign_in, edge.join))

    async def on_no_link(request: Request, _: Exception) -> Response:
        if shows_pages(request.scope):
            return RedirectResponse(edge.sign_in, 303)
        detail = f"This is shown by the link in an email. {edge.sign_in} emails a new one."
        return problems.response(request.scope, Problem(404, "No link", detail, type=problems.kind("no-such-link")))

    async def on_gone(request: Request, _: Exception) -> Response:
        if shows_pages(request.scope):
            return edge.pages.render("gone.html", status=410, join=edge.join)
        detail = f"Nobody is in the pool by this link any more: its person was erased, or an invitation has ended. Nothing was saved. {edge.join} lets you join again."
        return problems.response(
            request.scope, Problem(410, "No longer here", detail, type=problems.kind("invitation-ended"))
        )

    app.add_exception_handler(BadLinkError, on_bad_link)
    app.add_exception_handler(NoLinkError, on_no_link)
    app.add_exception_handler(GoneError, on_gone)


def _problem(error: BadLinkError, sign_in: str, join: str) -> Problem:
    if error.is_expired:
        detail = (
            f"This link was good once and has expired. {sign_in} emails a new one. An invitation that was never answered has"
            f" ended, and what was told of its person is deleted: {join} lets them join."
        )
        return Problem(410, "Link expired", detail, type=problems.kind("link-expired"))
    if error.is_void:
        detail = f"This link was made before the person's email changed, or before a mailbox said no to that: it opens nothing any more. {sign_in} emails a new one."
        return Problem(410, "Link of before", detail, type=problems.kind("link-void"))
    detail = f"This is not a whole link of this page. {sign_in} emails a new one."
    return Problem(404, "No such link", detail, type=problems.kind("no-such-link"))
