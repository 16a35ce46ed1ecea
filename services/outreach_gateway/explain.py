"""Why, in plain words; a sender learns nothing of rivals."""

from services.outreach_gateway.model import Rule

SHOWN_TO_SENDER: dict[Rule, str] = {
    Rule.NETWORK_WINDOW: "person_is_full",
    Rule.NETWORK_GAP: "person_is_full",
    Rule.SAME_EMPLOYER: "employer_limit",
    Rule.HOURS: "outside_hours",
    Rule.CONTACT_NOT_GRANTED: "not_granted",
    Rule.EMPLOYER_BLOCKED: "not_granted",
    Rule.NOT_A_MEMBER: "not_granted",
    Rule.MAILBOX_GONE: "not_granted",
    Rule.SENDER_SUSPENDED: "sender_suspended",
    Rule.EXPIRED: "expired",
    Rule.CANCELLED_BY_SENDER: "cancelled_by_sender",
}
"""What a sender sees for each rule, and nothing finer."""

_PLAIN = {
    "person_is_full": "This person has as many first messages as the network allows for now.",
    "employer_limit": "You have already written to this person. /v1/policy says after how many days you may again.",
    "outside_hours": "It is outside the hours in which this person may be written to.",
    "not_granted": "This person does not allow this message.",
    "sender_suspended": "Your account is suspended from sending.",
    "expired": "The message reached its own end, or the end of its offer, before it could be sent.",
    "cancelled_by_sender": "You took the message back.",
}

_PLAIN_FOR_OPERATOR = {
    Rule.NETWORK_WINDOW: "A window of the network is full for this person.",
    Rule.NETWORK_GAP: "The gap to another first message to this person is too short.",
    Rule.SAME_EMPLOYER: "This employer wrote to this person already, within the time that the policy names.",
    Rule.HOURS: "Outside the policy's hours in the person's zone, or inside their quiet hours.",
    Rule.CONTACT_NOT_GRANTED: "The person has not granted `contact`, paused it, or withdrew it.",
    Rule.EMPLOYER_BLOCKED: "The person blocked this employer.",
    Rule.NOT_A_MEMBER: "The person is in no pool of this employer.",
    Rule.MAILBOX_GONE: "The person's mailbox does not exist any more, as the relay said for good.",
}


def for_sender(rule: Rule) -> tuple[str, str]:
    """The rule's name and its plain words, as the employer sees them."""
    name = SHOWN_TO_SENDER[rule]
    return name, _PLAIN[name]


def for_operator(rule: Rule) -> tuple[str, str]:
    """The rule's own name and its plain words."""
    return rule.value, _PLAIN_FOR_OPERATOR.get(rule, _PLAIN[SHOWN_TO_SENDER[rule]])
