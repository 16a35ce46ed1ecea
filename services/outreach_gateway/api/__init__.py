"""Requests in: read, decide, apply."""

from fastapi import APIRouter

from services.outreach_gateway.api import accounts, feed, history, jobs, people, policy, seat, submissions
from services.outreach_gateway.api.edge import Edge

__all__ = ["Edge", "router"]


def router(edge: Edge) -> APIRouter:
    """All routes of the service."""
    routes = APIRouter()
    for part in (jobs, submissions, accounts, feed, seat, people, policy, history):
        part.add_routes(routes, edge)
    return routes
