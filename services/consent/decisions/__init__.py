"""What may change, when it counts as a change, and what is written down of it: values in, values out."""

from services.consent.decisions.agreements import as_chosen, ask_again, is_on, next_reminder
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
    take_back,
    takes_back,
    what_changed,
)
from services.consent.decisions.hours import open_time
from services.consent.decisions.links import Stop, can_switch_on, is_old, is_too_old_for, refuse, stop
from services.consent.decisions.names import Called, Unmet, keys_of_employer, keys_of_names, unmet
from services.consent.decisions.records import canonical, commitment, record

__all__ = [
    "Called",
    "Changed",
    "Outcome",
    "Refused",
    "Stop",
    "Unchanged",
    "Unmet",
    "as_chosen",
    "ask_again",
    "block_employer",
    "can_switch_on",
    "canonical",
    "change",
    "commitment",
    "is_grant",
    "is_old",
    "is_on",
    "is_too_old_for",
    "keys_of_employer",
    "keys_of_names",
    "next_reminder",
    "open_time",
    "record",
    "refuse",
    "stop",
    "stop_all",
    "switched_on",
    "take_back",
    "takes_back",
    "unmet",
    "what_changed",
]
