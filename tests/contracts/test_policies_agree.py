"""What consent lets people choose, what they sign, what the gateway applies and what the checker recounts are the same numbers."""

from datetime import timedelta

import pytest

from deploy.checks.policy import FIRST_POLICY
from services.consent import model as consent
from services.outreach_gateway.adapters.policy_file import files, policy_in_force
from services.outreach_gateway.policy import most_within
from services.outreach_gateway.settings import GatewaySettings

IN_FORCE = str(GatewaySettings.model_fields["policy"].default)
WEEK = timedelta(days=7)


def test_the_page_offers_what_the_policy_in_force_allows() -> None:
    policy = policy_in_force(IN_FORCE)
    assert most_within(policy, WEEK) == consent.POLICY_CONTACTS_PER_WEEK
    assert policy.gap == consent.POLICY_GAP
    assert (policy.opens, policy.closes) == (consent.POLICY_OPENS, consent.POLICY_CLOSES)


@pytest.mark.parametrize("version", files())
def test_no_policy_that_is_shipped_allows_more_than_an_agreement_or_the_page_says(version: str) -> None:
    policy = policy_in_force(version)  # refuses what goes beyond an agreement
    assert policy.version == version
    assert most_within(policy, WEEK) <= consent.POLICY_CONTACTS_PER_WEEK
    assert policy.gap >= consent.POLICY_GAP
    assert policy.opens >= consent.POLICY_OPENS
    assert policy.closes <= consent.POLICY_CLOSES


def test_the_checker_recounts_by_the_policy_in_force() -> None:
    policy = policy_in_force(IN_FORCE)
    gap = [(1, policy.gap)]
    assert sorted((cap.most, cap.within) for cap in FIRST_POLICY.network) == sorted([*policy.network, *gap])
    assert (FIRST_POLICY.employer.most, FIRST_POLICY.employer.within) == (1, policy.same_employer)
    assert FIRST_POLICY.halve_after_unanswered == policy.halve_after_unanswered
    assert FIRST_POLICY.unanswered_after == policy.unanswered_after
    assert (FIRST_POLICY.opens, FIRST_POLICY.closes) == (policy.opens, policy.closes)
    assert FIRST_POLICY.slot_is_good_for == policy.slot_good_for
