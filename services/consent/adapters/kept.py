"""What consent keeps of people, and how each table ends with its person."""

from services.consent.adapters import messages
from services.consent.adapters.links import SQL
from services.consent.adapters.told_sql import SQL as TOLD
from shared.contracts.pool_matching import MembershipsChangedV1
from shared.projections import Blanks, Deletes, Kept, Projection, Stays, Table

PEOPLE = Kept(
    "consent",
    (
        Table(
            "consents",
            ("candidate", "principal"),
            Blanks(
                "forget_person",
                "an empty, closed row, for good: the links in old emails stay dead, and no consent can be given by one",
            ),
        ),
        Table(
            "ledger",
            ("candidate",),
            Stays(
                "a principal that nothing ties to a person once `consents` is empty; a leaf says nothing without its opening"
            ),
        ),
        Table("ledger_openings", ("seq",), Deletes("forget_person")),
        Table("receipts", ("document",), Deletes("forget_person")),
        Table("attempts", ("candidate",), Deletes("forget_person")),
        Table("tellings", ("candidate",), Deletes("forget_person")),
        Table("changes_to_tell", ("candidate",), Deletes("forget_person")),
        Table("introductions", ("candidate",), Deletes("forget_person")),
        Table("messages", ("candidate",), Deletes("forget_messages_of")),
        Table("ended_sessions", ("candidate",), Deletes("forget_person")),
        Table("void_links", ("candidate",), Deletes("forget_person")),
        Projection(
            "memberships", ("candidate",), Deletes("forget_told"), MembershipsChangedV1, "version", "note_memberships"
        ),
        Table("disclosures", ("candidate",), Deletes("forget_told")),
    ),
    {**SQL, **messages.SQL, **TOLD},
    nobody={
        "employers": "employers by what they are found by",
        "policies": "the numbers of policies",
        "pools": "what employers' pools ask for",
    },
)
