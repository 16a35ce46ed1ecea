"""Puts together the HTTP face that all services share."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse, HTMLResponse

from shared import i18n
from shared.web import docs, health, openapi, pages, parameters, problems
from shared.web.budgets import Budgets
from shared.web.closed import Closed
from shared.web.http_limits import HttpLimits
from shared.web.languages import Languages
from shared.web.limits import Limits
from shared.web.methods import Heads
from shared.web.middleware import AccessLog, Boundary, SecurityHeaders
from shared.web.request_ids import RequestIds
from shared.web.server import Draining
from shared.web.token_paths import TokenPaths
from shared.web.traces import Traces

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_GPC_SINCE = "2026-11-22"


def create_app(
    title: str,
    service: str,
    *,
    lifespan: Lifespan | None = None,
    ready: health.Checks,
    is_stopping: Callable[[], bool] = lambda: False,
    why_closed: Callable[[], str] = lambda: "",
    limits: HttpLimits | None = None,
) -> FastAPI:
    """An application with problems, limits, security headers, health, metrics, docs and the stylesheet.

    `ready` gives the checks by name; `/health/ready` runs each, and names those that raise or take more than 2 s. Once
    `is_stopping`, each answer ends its connection. As long as `why_closed` says something, all but health, metrics and the
    stylesheet is answered with that.
    """
    limits = limits or HttpLimits()
    app = FastAPI(
        title=title,
        version=version("fairpool"),
        lifespan=lifespan,
        docs_url=None,  # Swagger UI and ReDoc load scripts from another host
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(parameters.refuse_unknown)],
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},  # it holds whole paths
        responses={"4XX": {"description": "A problem (RFC 9457)", "content": {problems.MEDIA_TYPE: {}}}},
    )
    app.state.service = service
    problems.install(app)
    openapi.install(app)
    # The last added is the first passed.
    app.add_middleware(Heads)
    app.add_middleware(Limits, within=limits.body_within)
    app.add_middleware(Boundary)
    app.add_middleware(Budgets, limits=limits)
    app.add_middleware(Closed, why=why_closed)
    for middleware in (Languages, SecurityHeaders, Traces, AccessLog, RequestIds, TokenPaths):
        app.add_middleware(middleware)
    app.add_middleware(Draining, is_stopping=is_stopping)
    app.include_router(health.router(ready))
    _add_pages(app)
    return app


def _add_pages(app: FastAPI) -> None:
    made = cache(partial(docs.page, app))  # once: anybody may ask for it

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def show_docs() -> HTMLResponse:
        with i18n.reading("en"):  # the interface is for programs' owners, and is described in English
            return HTMLResponse(made(), headers={"Content-Language": "en"})

    @app.get(pages.STYLESHEET_PATH, include_in_schema=False)
    async def stylesheet() -> FileResponse:
        return FileResponse(pages.STYLESHEET, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})

    @app.get("/.well-known/gpc.json", include_in_schema=False)
    async def global_privacy_control() -> dict[str, Any]:
        """Global Privacy Control, section 4: this site honors `Sec-GPC`; nobody's data is sold to begin with."""
        return {"gpc": True, "lastUpdate": _GPC_SINCE}
