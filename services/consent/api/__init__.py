"""Requests in."""

from services.consent.api.edge import Edge
from services.consent.api.routes import router

__all__ = ["Edge", "router"]
