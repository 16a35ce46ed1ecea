"""What matching keeps of people, and how each table ends with its person."""

from services.pool_matching.adapters.sql import SQL
from shared.contracts.consent import ConsentChangedV2
from shared.contracts.signup import CandidateProfileChangedV1
from shared.projections import Blanks, Follows, Kept, Projection, Stays, Table

_EMPTY = Blanks("erase", "an empty row, for good, that no later version replaces")

PEOPLE = Kept(
    "pool_matching",
    (
        Projection("persons", ("candidate",), _EMPTY, CandidateProfileChangedV1, "profile_version", "note_profiles"),
        Projection("persons", ("candidate",), _EMPTY, ConsentChangedV2, "consent_version", "note_consents"),
        Table(
            "memberships",
            ("candidate", "member_ref"),
            Follows("the person is decided again, and leaves every pool; their employers are told that they left"),
        ),
        Table(
            "evaluations",
            ("after_candidate",),
            Stays("how far a pool has come on its way through all persons: an id as a place, until the next step"),
        ),
    ),
    SQL,
    nobody={
        "changes_used": "how much each employer may change",
        "pool_changes": "a number",
        "pools": "employers' queries",
    },
)
