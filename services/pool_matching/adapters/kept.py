"""What matching keeps of people, and how each table ends with its person."""

from services.pool_matching.adapters.sql import SQL
from shared.contracts.consent import ConsentChangedV2
from shared.contracts.signup import CandidateProfileChangedV1
from shared.projections import Blanks, Deletes, Follows, Kept, Projection, Stays, Table

_EMPTY = Blanks("erase", "an empty row, for good, that no later version replaces")

PEOPLE = Kept(
    "pool_matching",
    (
        Projection("persons", ("candidate",), _EMPTY, CandidateProfileChangedV1, "profile_version", "note_profiles"),
        Projection("persons", ("candidate",), _EMPTY, ConsentChangedV2, "consent_version", "note_consents"),
        Table(
            "memberships",
            ("candidate", "member_ref"),
            Follows("the person is decided again, and leaves every pool"),
        ),
        Table(
            "listed",
            ("candidate",),
            Follows(
                "taken off the list, with what was shown, when they leave the pool (`leave_listed`); their member ref alone stays "
                "until the feed has said that they left: until a tick at which five differ, or for a week"
            ),
        ),
        Table("disclosures", ("candidate",), Deletes("forget_more")),
        Table("persons_before", ("candidate",), Deletes("forget_more")),
        Table("introductions", ("candidate",), Deletes("forget_more")),
        Table(
            "evaluations",
            ("after_candidate",),
            Stays("how far a pool has come on its way through all persons: an id as a place, until the next step"),
        ),
    ),
    SQL,
    nobody={
        "introduced_told": "a number for each employer",
        "listings": "how far each employer has been told of its pools",
        "changes_used": "how much each employer may change",
        "pool_changes": "a number",
        "pools": "employers' queries",
        "pools_made": "by which requests of employers pools were made",
        "seats": "which vendor held which employer's seat, until when",
    },
)
