"""What the gateway keeps of people, and how each table ends with its person."""

from pathlib import Path

from shared.contracts.consent import ConsentChangedV2
from shared.contracts.pool_matching import MembershipsChangedV1
from shared.contracts.signup import CandidateKeyPublishedV1
from shared.postgres.queries import load
from shared.projections import Deletes, Kept, Keys, Projection, Stays, Table

SQL = load(Path(__file__).parent / "queries.sql")

PEOPLE = Kept(
    "outreach_gateway",
    (
        Projection(
            "consents", ("candidate",), Deletes("forget_consents"), ConsentChangedV2, "version", "keep_consents"
        ),
        Projection(
            "memberships",
            ("candidate",),
            Deletes("forget_memberships"),
            MembershipsChangedV1,
            "version",
            "keep_memberships",
        ),
        Projection(
            "candidate_keys", ("candidate",), Deletes("forget_keys"), CandidateKeyPublishedV1, "version", "keep_keys"
        ),
        Table("mailboxes", ("candidate",), Deletes("forget_mailboxes")),
        Table(
            "outreach",
            ("candidate", "member_ref"),
            Stays(
                "what was written to them and decided, without words once it has ended, so that its sender is told the end; "
                "110 days after its own last day (`forget_ended`)"
            ),
        ),
        Table(
            "erased", ("candidate",), Stays("the id alone, for good: no late record of another topic makes a row again")
        ),
    ),
    SQL,
    nobody={
        "pool_messages": "what employers write to pools; the words go when they are sealed to people, within seconds",
        "history": "what became of messages by kind of work and state: no fewer than a hundred of five employers",
        "history_kept": "which months were counted",
        "jobs": "what employers write about",
        "epochs": "what the windows of each shard are called, and how far they are built",
    },
    keys=(
        Keys(
            "fp:{s<shard>}:<candidate>",
            "the slots of a person's outreach, by its id; Redis drops each 100 days after its last slot",
        ),
    ),
)
