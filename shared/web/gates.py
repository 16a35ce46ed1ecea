"""What is asked before the first byte of a body: whoever has no key, or sends far too much, costs nobody anything."""

from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from fastapi import Depends, params
from fastapi.dependencies.models import Dependant
from starlette.types import Scope

from shared.web.routes import dependant_of, is_page

BODY_LIMIT = 256 * 1024
"""Bytes of a body, where a route says nothing else: three times the longest that an honest caller of ours can have."""
PAGE_LIMIT = 16 * 1024
"""Of what a page of people posts, or a program in its place; a page whose lists are longer says what it takes."""
BATCH_LIMIT = 1024 * 1024
"""Of what holds many of a kind, or is written by another's program."""
_TENANT = "fairpool.tenant"
PLACE = "fairpool.place"
"""Where a request's place among those in hand stands in its scope; it has `charge`, as `budgets.Place` has."""

Gate = Callable[[Scope], object]
"""Raises the problem of a request that may not pass."""
_gates: WeakKeyDictionary[Callable[..., Any], Gate] = WeakKeyDictionary()
_found: dict[int, tuple[Dependant, tuple[Gate, ...], int | None]] = {}
"""By `id`, which is no other's while the route is kept."""
_limits: WeakKeyDictionary[Callable[..., Any], int] = WeakKeyDictionary()


def guard(dependency: Callable[..., Any], gate: Gate) -> None:
    """Every route that depends on `dependency` reads no body before `gate` has let the request pass.

    FastAPI reads and parses a body first, and asks a dependency then.
    """
    _gates[dependency] = gate


def pass_all(scope: Scope) -> None:
    """Ask each gate of the matched route; raises the problem of the first that stays shut."""
    for gate in _asked(scope)[0]:
        gate(scope)


def takes_up_to(size: int) -> params.Depends:
    """For a route's `dependencies`: a body may have so many bytes."""

    async def limited() -> None:
        """The limit is looked up before the body is read; there is nothing to do."""

    _limits[limited] = size
    made: params.Depends = Depends(limited)
    return made


def limit(scope: Scope) -> int:
    """How many bytes a body may have at the matched route."""
    own = _asked(scope)[1]
    return own if own is not None else PAGE_LIMIT if is_page(scope) else BODY_LIMIT


def note_tenant(scope: Scope, tenant: str) -> None:
    """Whose request it is, once that is proved: for the access log, and for the tenant's share of what is in hand (429)."""
    scope[_TENANT] = tenant
    if (place := scope.get(PLACE)) is not None:
        place.charge(tenant)


def noted_tenant(scope: Scope) -> str | None:
    """Whose key, or signature, the request proved to have; None where it has none that works."""
    found: str | None = scope.get(_TENANT)
    return found


def _asked(scope: Scope) -> tuple[tuple[Gate, ...], int | None]:
    """Gates and limit of the matched route; found once, since a route stays what it was declared as."""
    route = dependant_of(scope)
    if route is None:
        return (), None
    known = _found.get(id(route))
    if known is None or known[0] is not route:
        calls = list(_dependencies(route))
        limits = [_limits[call] for call in calls if call in _limits]
        gates = tuple(_gates[call] for call in calls if call in _gates)
        known = _found[id(route)] = (route, gates, limits[0] if limits else None)
    return known[1], known[2]


def _dependencies(route: Dependant) -> Iterator[Callable[..., Any]]:
    waiting = [route]
    while waiting:
        one = waiting.pop()
        waiting.extend(reversed(one.dependencies))
        if one.call is not None:
            yield one.call
