"""`GET /me/job`: the job of a message that waits, opened for whoever it was sealed to, and for nobody else.

Consent keeps what waits and cannot open it; it links here with what is sealed. Nothing is kept here, and the employer's page is
named by its host alone: the link to it comes with the message.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from services.signup.api import bad_links
from services.signup.api.held import HeldEdge
from services.signup.api.profile_views import PAGES
from shared.contracts.outreach_gateway import Job, Pay
from shared.i18n import gettext
from shared.security.boxes import CannotOpenError
from shared.security.words import open_words
from shared.text import readable
from shared.web import holders
from shared.web.holders import Holder
from shared.web.problems import Problem, kind
from shared.web.routes import shows_pages
from shared.wording import pay_in_words, written_day

LONGEST = 7_500
"""Characters: the longest job that the gateway takes, sealed, fits, and a link with it fits into a line of 8 kB, as proxies take it."""
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **holders.ANSWERS,
    404: {"description": "Not a link to a job that waits for you"},
    410: {"description": "The person is no longer in the pool: nothing is held"},
}
_NOT_YOURS = "This link shows no job that waits for you. Take it from your page of messages, /me/messages."


class JobOut(BaseModel):
    """A job as its employer described it; each text on one line."""

    title: str
    organization: str
    location: str
    remote: bool
    pay: Pay
    host: str
    """Where the whole offer is."""
    valid_through: str


def router(edge: HeldEdge) -> APIRouter:
    """For people, and as JSON for programs of theirs."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/me/job", summary="The job of a message that waits for you", response_model=JobOut, responses=_ANSWERS)
    async def show(
        request: Request,
        holder: Annotated[Holder, Depends(edge.signed_in)],
        outreach: Annotated[
            str, Query(max_length=128, description="The message, as consent's page of messages names it.")
        ],
        sealed: Annotated[str, Query(max_length=LONGEST, description="Its job, as that page links to it.")],
    ) -> Response:
        pair = await edge.store.words_key(holder.candidate)
        if pair is None:
            return bad_links.gone(request)
        try:
            job = open_words(sealed, pair, outreach=outreach).job
        except CannotOpenError:
            raise Problem(404, "No such job", _NOT_YOURS, type=kind("no-such-job")) from None
        said = _out(job)
        if not shows_pages(request.scope):
            return JSONResponse(said.model_dump(mode="json"), headers={"Cache-Control": "no-store"})
        rows = (
            (gettext("Employer"), said.organization),
            (
                gettext("Place"),
                gettext("%(place)s (remote is possible)", place=said.location) if said.remote else said.location,
            ),
            (gettext("Pay"), pay_in_words(said.pay)),
            (gettext("Open until"), written_day(said.valid_through)),
            (gettext("The whole offer is on"), said.host),
        )
        return PAGES.render(
            "waiting_job.html",
            navigation=edge.navigation.at("messages"),
            title=said.title,
            rows=rows,
            messages=edge.navigation.url("messages"),
        )

    return routes


def _out(job: Job) -> JobOut:
    return JobOut(
        title=_line(job.title),
        organization=_line(job.organization),
        location=_line(job.location),
        remote=job.remote,
        pay=job.pay,
        host=job.url.host or "",
        valid_through=_line(job.valid_through),
    )


def _line(text: str) -> str:
    return " ".join(readable(text).split())
