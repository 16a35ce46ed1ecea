"""Requests in: read, decide, apply."""

from fastapi import APIRouter

from services.pool_matching.api import introduced, occupations, pools, seat, updates
from services.pool_matching.api.edge import Edge

__all__ = ["Edge", "router"]


def router(edge: Edge) -> APIRouter:
    """All routes of the service."""
    routes = APIRouter()
    for part in (pools, updates, seat, introduced, occupations):
        part.add_routes(routes, edge)
    return routes
