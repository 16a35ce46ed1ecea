"""The rules, for everybody to read."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter

from services.outreach_gateway.api.edge import Edge


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`/v1/policy`."""
    policy = edge.policy

    @routes.get("/v1/policy", tags=["policy"], summary="The network's rules, as they are applied now")
    async def show_policy() -> dict[str, Any]:
        """Windows are applied ten minutes longer than stated, so that they hold for what arrives.

        `halve_after_unanswered` is null where caps never halve. Every `told_every_hours`, at an hour of its own, an employer is
        told what came of its messages and who joined its pools, and never in between.
        """
        halves = policy.halve_after_unanswered > 0
        return {
            "version": policy.version,
            "first_contact": {
                "at_most": [{"number": number, "days": length.days} for number, length in policy.network],
                "gap_hours": policy.gap / timedelta(hours=1),
                "same_employer_days": policy.same_employer.days,
                "unanswered_after_days": policy.unanswered_after.days if halves else None,
                "halve_after_unanswered": policy.halve_after_unanswered if halves else None,
            },
            "hours": {
                "opens": policy.opens.isoformat("minutes"),
                "closes": policy.closes.isoformat("minutes"),
                "unknown_zone": list(policy.unknown_zone),
            },
            "slot_good_for_minutes": policy.slot_good_for / timedelta(minutes=1),
            "told_every_hours": edge.ticks.period / timedelta(hours=1),
        }
