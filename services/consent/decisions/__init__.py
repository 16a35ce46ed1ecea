"""What may change, when it counts as a change, and what is written down of it: values in, values out."""

from services.consent.decisions.changes import (
    Changed,
    Outcome,
    Refused,
    Unchanged,
    block_employer,
    change,
    is_grant,
    stop_all,
    switched_on,
    takes_back,
    what_changed,
)
from services.consent.decisions.hours import open_time
from services.consent.decisions.links import Stop, is_old, refuse, stop
from services.consent.decisions.names import keys_of_employer, keys_of_names
from services.consent.decisions.records import canonical, commitment, record

__all__ = [
    "Changed",
    "Outcome",
    "Refused",
    "Stop",
    "Unchanged",
    "block_employer",
    "canonical",
    "change",
    "commitment",
    "is_grant",
    "is_old",
    "keys_of_employer",
    "keys_of_names",
    "open_time",
    "record",
    "refuse",
    "stop",
    "stop_all",
    "switched_on",
    "takes_back",
    "what_changed",
]
