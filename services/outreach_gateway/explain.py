"""Why, in plain words, for the operator; what employers are told is in `answers`."""

from services.outreach_gateway.model import Rule

_PLAIN = {
    Rule.NETWORK_WINDOW: "A window of the network is full for this person.",
    Rule.NETWORK_GAP: "The gap to another first message to this person is too short.",
    Rule.SAME_EMPLOYER: "This employer wrote to this person already, within the time that the policy names.",
    Rule.HOURS: "Outside the policy's hours in the person's zone, or inside their quiet hours.",
    Rule.CONTACT_NOT_GRANTED: "The person has not granted `contact`, paused it, or withdrew it.",
    Rule.EMPLOYER_BLOCKED: "The person blocked this employer.",
    Rule.NOT_A_MEMBER: "The person is in no pool of this employer.",
    Rule.KEY_MISSING: "There was no key to seal the words to when they came: nobody can open them.",
    Rule.MAILBOX_GONE: "The person's mailbox does not exist any more, as the relay said for good.",
    Rule.SENDER_SUSPENDED: "The employer is suspended from sending.",
    Rule.EXPIRED: "The message reached its own end, or the end of its offer, before it could be sent.",
    Rule.CANCELLED_BY_SENDER: "The employer took the message back.",
}


def in_plain_words(rule: Rule | None) -> str:
    """The rule for people to read; None: nothing stood against it."""
    return "A slot was free." if rule is None else _PLAIN[rule]
