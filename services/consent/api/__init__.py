"""Requests in."""

from services.consent.api.edge import Edge
from services.consent.api.routes import install

__all__ = ["Edge", "install"]
