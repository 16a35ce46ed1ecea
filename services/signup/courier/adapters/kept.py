"""What the courier keeps of people, and how each table ends with its person."""

from pathlib import Path

from shared.contracts.consent import ConsentChangedV2
from shared.postgres.queries import load
from shared.projections import Blanks, Deletes, Kept, Projection, Table

SQL = load(Path(__file__).parent / "queries.sql")

PEOPLE = Kept(
    "courier",
    (
        Projection(
            "courier_consent", ("candidate",), Deletes("forget_consents"), ConsentChangedV2, "version", "keep_consents"
        ),
        Table(
            "courier_mails",
            ("candidate",),
            Blanks(
                "blank_mails",
                "what was emailed, without words or an address, until no topic can bring it back (110 days)",
            ),
        ),
    ),
    SQL,
    nobody={
        "courier_consent_positions": "how far a topic was read",
        "courier_instances": "processes",
    },
)
