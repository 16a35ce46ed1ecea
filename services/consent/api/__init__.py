"""Requests in."""

from services.consent.api import preferences, receipts, unsubscribe
from services.consent.api.bad_links import answer_bad_links
from services.consent.api.edge import Edge

__all__ = ["Edge", "answer_bad_links", "preferences", "receipts", "unsubscribe"]
