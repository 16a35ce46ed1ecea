"""Health: live while the loop turns, ready when each check did the real thing within 2 s."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from shared.web.problems import Problem, kind

TAG = "operations"
CHECK_WITHIN = 2.0
"""Seconds that each check has; they run side by side."""

Check = Callable[[], Awaitable[object]]
"""Does the real thing; raises when it does not work."""
Checks = Callable[[], Awaitable[Mapping[str, Check]]]
"""The checks by name, at the time of asking."""


class NotReadyError(Exception):
    """A check fails, for a reason that may be shown as it is: it names no host, user or row."""


class ClosedError(NotReadyError):
    """The process serves nothing yet, for a reason that may be shown as it is: its database was restored."""


class HeldError(Exception):
    """A part of the work is held for what is away: shown by `/health/ready`, as it is, and no reason not to be ready."""


log = structlog.get_logger()


def router(ready: Checks) -> APIRouter:
    """`/health/live`, `/health/ready` and `/metrics`."""
    routes = APIRouter(tags=[TAG])

    @routes.get("/health/live", summary="Whether the process answers")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @routes.get("/health/ready", summary="Whether the process can do its work now")
    async def is_ready() -> dict[str, Any]:
        checks = await ready()
        found = await asyncio.gather(*(_outcome(check) for check in checks.values()))
        outcomes = dict(zip(checks, found, strict=True))
        if closed := next((why for why in outcomes.values() if isinstance(why, ClosedError)), None):
            raise _closed(closed)
        failing = {name: str(why) for name, why in outcomes.items() if why and not isinstance(why, HeldError)}
        if failing:
            raise _not_ready(failing)
        return {"status": "ready", "checks": {name: f"held: {why}" if why else "ok" for name, why in outcomes.items()}}

    @routes.get("/metrics", summary="Counters for Prometheus", response_class=Response)
    async def metrics() -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes


async def _outcome(check: Check) -> str | HeldError | ClosedError | None:
    try:
        async with asyncio.timeout(CHECK_WITHIN):
            await check()
    except TimeoutError:
        return f"no answer within {CHECK_WITHIN:g} seconds"
    except (HeldError, ClosedError) as error:
        return error
    except NotReadyError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever a check raises, it failed
        return type(error).__name__  # its message may name a host, a user or a row
    return None


def _closed(why: ClosedError) -> Problem:
    return Problem(503, "Closed", str(why), type=kind("restoring"), headers={"Retry-After": "30"})


def _not_ready(failing: Mapping[str, str]) -> Problem:
    log.warning("not_ready", failing=failing)
    return Problem(
        503,
        "Not ready",
        "These checks fail: " + "; ".join(f"{name} ({why})" for name, why in failing.items()) + ".",
        type=kind("not-ready"),
        headers={"Retry-After": "2"},
    )
