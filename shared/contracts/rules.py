"""The rules of the network by which outreach waits or is refused, by the names that decisions carry."""

from enum import StrEnum


class Rule(StrEnum):
    """Why outreach was not admitted at once, as the operator and the person see it; employers are told none of them."""

    NETWORK_WINDOW = "network_window"
    NETWORK_GAP = "network_gap"
    SAME_EMPLOYER = "same_employer"
    HOURS = "hours"
    CONTACT_NOT_GRANTED = "contact_not_granted"
    EMPLOYER_BLOCKED = "employer_blocked"
    NOT_A_MEMBER = "not_a_member"
    KEY_MISSING = "key_missing"
    MAILBOX_GONE = "mailbox_gone"
    SENDER_SUSPENDED = "sender_suspended"
    EXPIRED = "expired"
    CANCELLED_BY_SENDER = "cancelled_by_sender"
