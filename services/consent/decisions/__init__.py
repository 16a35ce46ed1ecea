"""What may change, when it counts as a change, and what is written down of it: values in, values out."""

from services.consent.decisions.changes import Changed, Refused, Unchanged, block_employer, change, stop_all
from services.consent.decisions.hours import open_time
from services.consent.decisions.records import canonical, commitment, record

__all__ = [
    "Changed",
    "Refused",
    "Unchanged",
    "block_employer",
    "canonical",
    "change",
    "commitment",
    "open_time",
    "record",
    "stop_all",
]
