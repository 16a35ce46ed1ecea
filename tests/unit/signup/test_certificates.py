"""What a certificate of erasure says of the log holds for a log that is read from its beginning, and of what is outside of it."""

from datetime import timedelta

from services.signup.decisions.certificates import STAYS, certificate
from services.signup.model.erasures import ErasureRecord
from shared.contracts.base import rfc3339
from shared.contracts.topics import CANDIDATE_EVENTS, COMPACTED_WITHIN, DEAD_LETTERS_KEPT
from tests.fakes.clock import NOON

RECORD = ErasureRecord("x", NOON, NOON + timedelta(days=100), (), ())


def test_of_a_compacted_topic_it_says_by_when_what_was_said_before_should_be_gone_and_promises_nothing() -> None:
    topics = {one["topic"]: one for one in certificate(RECORD, ())["topics"]}
    for name in ("candidate-profiles", "consent-state", "candidate-keys"):
        assert topics[name]["gone_by"] == rfc3339(NOON + COMPACTED_WITHIN + timedelta(days=1))
        assert "what was said before is expected to be cleared away by then" in topics[name]["what"]
        assert "promises no date" in topics[name]["what"]
    assert topics["erasures"]["gone_by"] is None, "it never said more"
    assert topics["ats-events"]["gone_by"] is not None


def test_of_a_topic_that_forgets_by_age_it_counts_in_that_segments_go_as_a_whole() -> None:
    topics = {one["topic"]: one for one in certificate(RECORD, ())["topics"]}
    kept, of_the_dead, segment = CANDIDATE_EVENTS.kept, DEAD_LETTERS_KEPT, timedelta(days=7)
    assert kept is not None
    assert topics[CANDIDATE_EVENTS.name]["gone_by"] == rfc3339(NOON + kept + segment + of_the_dead + segment)


def test_what_carried_the_emails_and_what_told_of_the_person_are_among_what_stays() -> None:
    [outside] = [one for one in STAYS if "outside of Fairpool" in one]
    for keeper in ("your inbox", "services that carried them", "a hiring system", "an employer"):
        assert keeper in outside
