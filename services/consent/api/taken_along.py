"""What a person takes along of their consent, in the shapes of their own pages' JSON, and in that of HR Open Standards."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.consent.api import views
from services.consent.api.messages import message_out
from services.consent.api.told import pool_out, told_out
from services.consent.decisions.records import plain
from services.consent.decisions.told import Standing
from services.consent.model import Choices, Disclosed, Message, Present
from shared.contracts import grants
from shared.contracts.base import rfc3339
from shared.contracts.pool_matching import Criteria
from shared.facts import shown

_STANDARD = {
    "standard": "HR Open Standards 4.2, JSON, `distributionGuidelines` of a candidate",
    "fields_of_the_standard": [
        "distributionGuidelines.doNotRedistributeIndicator",
        "distributionGuidelines.distributeTo[].startDate",
        "distributionGuidelines.distributeTo[].endDate",
        "distributionGuidelines.distributeTo[].descriptions",
        "distributionGuidelines.doNotDistributeTo[].organization.name",
        "distributionGuidelines.doNotDistributeTo[].descriptions",
    ],
    "checked": "The names are those of the standard as others use it. This file was not validated against its published schema.",
    "fields_of_fairpool": ["about", "fairpool"],
}


class Shapes:
    """The port `Shapes`; `names`: what employers are called."""

    def __init__(self, names: views.Names) -> None:
        self._names = names

    def message(self, message: Message) -> dict[str, Any]:
        """As `GET /v1/me/messages` has it."""
        return message_out(message, self._names).model_dump(mode="json")

    def telling(self, told: Disclosed, asked: Mapping[str, Criteria]) -> dict[str, Any]:
        """As `GET /v1/me/told` has it among its `items`."""
        return told_out(told, asked, self._names).model_dump(mode="json")

    def pool(self, pool: Standing, asked: Mapping[str, Criteria]) -> dict[str, Any]:
        """As `GET /v1/me/told` has it among its `pools`."""
        return pool_out(pool, asked, self._names).model_dump(mode="json")

    def present(self, present: Present) -> dict[str, Any]:
        """What holds now, by the names that `POST /me` takes."""
        return {
            "principal": present.principal or None,
            "version": present.version,
            "allowed": plain(present.choices),
            "agreement": {"version": present.agreement, "language": present.language},
        }

    def guidelines(self, choices: Choices, *, at: datetime) -> dict[str, Any]:
        """To whom the profile may go, as the standard writes it.

        Nothing that is allowed here lets anybody pass on what they got, so that is always said.
        """
        return {
            "about": _STANDARD | {"as_of": rfc3339(at)},
            "distributionGuidelines": {
                "doNotRedistributeIndicator": True,
                "distributeTo": self._to(choices, at),
                "doNotDistributeTo": [
                    *(
                        _not_to(shown(self._names(one), one), "Blocked by the person.")
                        for one in choices.blocked_employers
                    ),
                    *(_not_to(one, "Blocked by the person, by this name or domain.") for one in choices.blocked_names),
                ],
            },
            "fairpool": {
                "purposes": list(choices.purposes),
                "in_force": bool(choices.purposes) and grants.is_in_force(choices, at=at),
            },
        }

    def _to(self, choices: Choices, at: datetime) -> list[dict[str, Any]]:
        if not grants.allows_match(choices.purposes) or grants.has_ended(choices, at=at):
            return []
        descriptions = [
            "Employers of this Fairpool network whose jobs fit, by pseudonym, in lists of five people or more."
        ]
        if choices.sectors:
            descriptions.append(f"Kinds of work: {'; '.join(views.work(code) for code in choices.sectors)}.")
        term = {}
        if grants.is_paused(choices, at=at) and choices.paused_until is not None:
            term["startDate"] = choices.paused_until.date().isoformat()
        if choices.ends_at is not None:
            term["endDate"] = choices.ends_at.date().isoformat()
        return [{**term, "descriptions": descriptions}]


def _not_to(name: str, why: str) -> dict[str, Any]:
    return {"organization": {"name": name}, "descriptions": [why]}
