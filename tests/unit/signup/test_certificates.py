"""What a certificate of erasure says of the log holds for a log that is read from its beginning."""

from datetime import timedelta

from services.signup.decisions.certificates import certificate
from services.signup.model.erasures import ErasureRecord
from shared.contracts.base import rfc3339
from shared.contracts.topics import COMPACTED_WITHIN
from tests.fakes.clock import NOON


def test_of_a_compacted_topic_it_says_by_when_what_was_said_before_is_cleared_away() -> None:
    record = ErasureRecord("x", NOON, NOON + timedelta(days=100), (), ())
    topics = {one["topic"]: one for one in certificate(record, ())["topics"]}
    for name in ("candidate-profiles", "consent-state", "candidate-keys"):
        assert topics[name]["gone_by"] == rfc3339(NOON + COMPACTED_WITHIN + timedelta(days=1))
        assert "what was said before is cleared away by then" in topics[name]["what"]
    assert topics["erasures"]["gone_by"] is None, "it never said more"
    assert topics["ats-events"]["gone_by"] is not None
