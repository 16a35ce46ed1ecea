"""Requests in: read, decide, apply."""

from fastapi import APIRouter

from services.outreach_gateway.api import accounts, feed, people, policy, submissions
from services.outreach_gateway.api.edge import Edge

__all__ = ["Edge", "router"]


def router(edge: Edge) -> APIRouter:
    """All routes of the service."""
    routes = APIRouter()
    for part in (submissions, accounts, feed, people, policy):
        part.add_routes(routes, edge)
    return routes
