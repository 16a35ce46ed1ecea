"""What consent lets people choose, what they sign, and what the gateway applies come from the same numbers."""

from datetime import timedelta

from services.consent import model as consent
from services.outreach_gateway.adapters.policy_file import policy_in_force
from services.outreach_gateway.policy import most_within
from services.outreach_gateway.settings import GatewaySettings


def test_the_page_offers_what_the_policy_in_force_allows() -> None:
    policy = policy_in_force(str(GatewaySettings.model_fields["policy"].default))
    assert most_within(policy, timedelta(days=7)) == consent.POLICY_CONTACTS_PER_WEEK
    assert policy.gap == consent.POLICY_GAP
    assert (policy.opens, policy.closes) == (consent.POLICY_OPENS, consent.POLICY_CLOSES)
