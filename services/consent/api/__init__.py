"""Requests in."""

from services.consent.api import messages, preferences, receipts, told, unsubscribe
from services.consent.api.bad_links import answer_bad_links
from services.consent.api.edge import Edge
from services.consent.api.served import Labels

__all__ = ["Edge", "Labels", "answer_bad_links", "messages", "preferences", "receipts", "told", "unsubscribe"]
