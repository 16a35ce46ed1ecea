"""What consent lets people choose, and what the gateway applies, come from the same numbers."""

from datetime import timedelta

from services.consent import model as consent
from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.settings import GatewaySettings


def test_the_page_offers_what_the_policy_in_force_allows() -> None:
    policy = read_policy(str(GatewaySettings.model_fields["policy"].default))
    weekly = {length: number for number, length in policy.network}[timedelta(days=7)]
    assert weekly == consent.POLICY_CONTACTS_PER_WEEK
    assert policy.gap == consent.POLICY_GAP
    assert (policy.opens, policy.closes) == (consent.POLICY_OPENS, consent.POLICY_CLOSES)
