"""Requests in: webhooks, events, sources and the two pages."""
