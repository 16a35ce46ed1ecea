"""What signup keeps of people, and how each table ends with its person: all but a few rows go with the one in `candidates`."""

from services.signup.adapters.lapses import SQL
from shared.projections import Follows, Kept, Stays, Table

_WITH_CANDIDATES = Follows("deleted with the row in `candidates`, by its foreign key")

PEOPLE = Kept(
    "signup",
    (
        Table(
            "candidates",
            ("candidate",),
            Follows("deleted at the person's own wish, or once consent has closed whoever never answered"),
        ),
        Table("identities", ("candidate",), _WITH_CANDIDATES),
        Table("claims", ("candidate",), _WITH_CANDIDATES),
        Table("sessions", ("candidate",), _WITH_CANDIDATES),
        Table("exports", ("candidate",), _WITH_CANDIDATES),
        Table("export_parts", ("candidate",), Follows("deleted with the export, by its foreign key")),
        Table("email_changes", ("candidate",), _WITH_CANDIDATES),
        Table(
            "former_mailboxes", ("candidate",), Follows("deleted with the row in `email_changes`, by its foreign key")
        ),
        Table("recovery_codes", ("candidate",), _WITH_CANDIDATES),
        Table("profile_origins", ("candidate",), _WITH_CANDIDATES),
        Table("not_theirs", ("candidate",), _WITH_CANDIDATES),
        Table("proposals", ("candidate",), Follows("deleted with the claim, by its foreign key")),
        Table("operator_log", ("candidate",), Follows("emptied with the row in `candidates`, by its foreign key")),
        Table(
            "kept_reports",
            ("waits_for",),
            Follows(
                "what a hiring system told meanwhile waits, locked as it came, until the person is erased; it is looked at then, and brings "
                "back nobody who asked to be erased"
            ),
        ),
        Table("refusals", ("candidate",), Stays("so that the link says the same when it is opened again; 14 days")),
        Table(
            "erased",
            ("candidate",),
            Stays("the id alone, for good: neither a backup nor a late event brings them back"),
        ),
        Table(
            "erasure_requests",
            ("candidate",),
            Stays(
                "the id of whoever erased themself, and hashes of the sessions that worked then, so that they can read their certificate; 100 days"
            ),
        ),
        Table(
            "certificates",
            ("candidate",),
            Stays("a hash that only the certificate's opening gives, and that of the session that asked; 100 days"),
        ),
        Table("erasure_sweeps", ("candidate",), Stays("which service swept what, and when; 100 days")),
        Table(
            "rotations",
            ("after_candidate",),
            Stays(
                "how far a rotation has come: an id as a place, and nothing of its person; until the rotation is done"
            ),
        ),
        Table(
            "erasures_outstanding",
            ("candidate",),
            Follows("the row of each service goes when it has confirmed the erasure"),
        ),
    ),
    SQL,
    nobody={
        "epochs": "numbers of epoch keys, and what finds these at their keeper",
        "epochs_ended": "of keys that were destroyed",
        "intake": "digests of events",
        "intake_keys": "keys of days",
        "intake_last": "digests of records",
        "invitations": "slow hashes of mailboxes, which confirm a guess and nothing else",
        "loaded_titles": "titles of occupations",
        "page_requests": "keyed hashes of mailboxes, for a day",
        "sources": "webhooks of employers",
        "title_files": "lists of titles",
    },
)
