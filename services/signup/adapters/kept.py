"""What signup keeps of people, and how each table ends with its person: all but a few rows go with the one in `candidates`."""

from services.signup.adapters.lapses import SQL
from shared.projections import Follows, Kept, Stays, Table

_WITH_CANDIDATES = Follows("deleted with the row in `candidates`, by its foreign key")

PEOPLE = Kept(
    "signup",
    (
        Table("candidates", ("candidate",), Follows("`erase_lapsed` deletes it, once consent has closed the person")),
        Table("identities", ("candidate",), _WITH_CANDIDATES),
        Table("claims", ("candidate",), _WITH_CANDIDATES),
        Table("proposals", ("candidate",), Follows("deleted with the claim, by its foreign key")),
        Table("operator_log", ("candidate",), Follows("emptied with the row in `candidates`, by its foreign key")),
        Table(
            "kept_reports",
            ("waits_for",),
            Follows("goes back onto `ats-events` once the person is erased (`release`), sealed as it came"),
        ),
        Table("refusals", ("candidate",), Stays("so that the link says the same when it is opened again; 14 days")),
        Table(
            "erased",
            ("candidate",),
            Stays("the id alone, for good: neither a backup nor a late event brings them back"),
        ),
        Table(
            "erasures_outstanding",
            ("candidate",),
            Follows("the row of each service goes when it has confirmed the erasure"),
        ),
    ),
    SQL,
    nobody={
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
