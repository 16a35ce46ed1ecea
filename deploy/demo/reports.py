"""How vendors report an invented person: a Greenhouse webhook, or CloudEvents."""

from datetime import datetime
from typing import Any

from deploy.demo.people import Person
from shared.contracts.base import rfc3339


def greenhouse(person: Person, *, run: str, prospect: bool, at: datetime) -> dict[str, Any]:
    """The body of `new_candidate_application` (or of a prospect's), after Greenhouse's documentation."""
    profile = person.profile
    number = int(run, 36) * 1000 + person.number
    candidate = {
        "id": number,
        "first_name": person.given_name,
        "last_name": person.family_name,
        "title": profile.trade.title,
        "company": None,
        "external_id": None,
        "is_private": False,
        "can_email": True,
        "phone_numbers": [{"value": person.phone, "type": "mobile"}],
        "email_addresses": [{"value": person.mail, "type": "personal"}],
        "addresses": [
            {
                "value": f"{profile.street}\n{profile.place.city}, {profile.place.state} {profile.place.postal_code}",
                "type": "home",
            }
        ],
        "educations": [],
        "employments": [
            {
                "company_name": "Somewhere Else",
                "title": profile.trade.title,
                "start_date": f"01/02/{at.year - profile.years}",
                "end_date": None,
            }
        ],
        "attachments": [],
        "tags": list(profile.skills),
        "custom_fields": {},
    }
    action = "new_prospect_application" if prospect else "new_candidate_application"
    return {"action": action, "payload": {"application": {"id": number, "candidate": candidate}}}


def cloud_event(person: Person, *, vendor: str, employer: str, run: str, at: datetime) -> dict[str, Any]:
    """A `candidate.signed_up` of a vendor's own."""
    profile = person.profile
    record = f"{run}-{person.number}"
    return {
        "specversion": "1.0",
        "id": f"{vendor}-{record}",
        "source": vendor,
        "type": "candidate.signed_up",
        "time": rfc3339(at),
        "subject": f"{vendor}:candidate:{record}",
        "data": {
            "employer": employer,
            "record": record,
            "person": {
                "given_name": person.given_name,
                "family_name": person.family_name,
                "emails": [person.mail],
                "phones": [person.phone],
            },
            "profile": {
                "titles": [profile.trade.title],
                "occupations": [profile.trade.occupation],
                "skills": list(profile.skills),
                "years": profile.years,
                "postal_code": profile.place.postal_code,
                "state": profile.place.state,
                "remote": profile.trade.remote,
                "employment_types": list(profile.employment_types),
                "pay_floor": profile.pay_floor,
                "time_zone": profile.place.time_zone,
            },
        },
    }


def joining(person: Person) -> dict[str, Any]:
    """What they type on the join page."""
    profile = person.profile
    return {
        "name": f"{person.given_name} {person.family_name}",
        "email": person.mail,
        "work": profile.trade.title,
        "state": profile.place.state,
        "postal_code": profile.place.postal_code,
    }


def added(person: Person) -> dict[str, Any]:
    """What somebody who came by the join page, which asks for little, says of their work on the page behind their link."""
    profile = person.profile
    return {
        "skills": list(profile.skills),
        "years": profile.years,
        "remote": profile.trade.remote or None,
        "employment_types": list(profile.employment_types),
        "pay_floor": profile.pay_floor,
    }
