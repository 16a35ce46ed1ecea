"""What is written without a model is what the model writes, byte for byte."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from services.outreach_gateway.adapters.decided import OUTCOMES, numbers_of, written
from services.outreach_gateway.adapters.policy_file import policy_in_force
from services.outreach_gateway.model import Admit, Cancel, Change, Delay, Drop, Outreach, Policy, Rule, State
from services.outreach_gateway.ports.outreach import Settled
from shared.contracts.base import rfc3339
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.messaging.envelope import encode, encode_written

POLICY = policy_in_force("2026-12")
RULES = st.sampled_from(Rule)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=5, minutes=45))])
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1), timezones=ZONES)  # noqa: DTZ001 - the strategy adds the zone
IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=128)
WORDS = st.none() | st.text(st.characters(codec="utf-8"), max_size=300)
PERSON = st.uuids().map(str)
DECISIONS = (
    st.builds(Admit, MOMENTS, MOMENTS)
    | st.builds(Delay, st.none() | MOMENTS, RULES, st.none() | MOMENTS)
    | st.builds(Drop, RULES)
    | st.builds(Cancel, RULES)
)
ROWS = st.builds(
    Outreach,
    IDS,
    st.integers(0, 2**31 - 2),
    st.sampled_from(State),
    IDS,
    PERSON,
    submitted_at=MOMENTS,
    expires_at=MOMENTS,
)


def by_its_model(
    item: Settled, policy: Policy, at: datetime, sealed: str | None, sealed_job: str | None
) -> OutreachDecidedV1:
    row, decision = item.outreach, item.decision
    return OutreachDecidedV1(
        outreach=row.id,
        version=row.version + 1,
        candidate=row.candidate,
        employer=row.employer,
        outcome=OUTCOMES[type(decision)],
        rule=item.rule,
        policy=policy.version,
        at=at,
        until=decision.slot_at if isinstance(decision, Delay) else None,
        good_until=decision.good_until if isinstance(decision, Admit) else None,
        sealed=sealed if isinstance(decision, Admit) else None,
        sealed_job=sealed_job if isinstance(decision, Delay) else None,
        asked_at=row.submitted_at,
        ends_at=row.expires_at,
        slot_at=decision.slot_at if isinstance(decision, Admit) else None,
        numbers=numbers_of(policy) if isinstance(decision, Admit | Delay) else None,
    )


@given(ROWS, DECISIONS, MOMENTS, WORDS, WORDS)
def test_a_decision_is_written_as_its_model_would_write_it(
    row: Outreach, decision: Admit | Delay | Drop | Cancel, at: datetime, sealed: str | None, job: str | None
) -> None:
    item = Settled(row, decision, getattr(decision, "rule", None))
    of_model = by_its_model(item, POLICY, at, sealed, job)
    found = written(item, POLICY, rfc3339(at), sealed, job)
    assert found == of_model.model_dump_json().encode()
    assert OutreachDecidedV1.model_validate_json(found) == of_model
    id = f"{row.id}.{row.version + 1}"
    if row.candidate not in id:
        assert encode_written(OutreachDecidedV1, [(id, row.candidate, found)], source="outreach_gateway", at=at) == [
            encode(of_model, source="outreach_gateway", at=at, id=id)
        ]


@given(IDS, st.sampled_from(State), st.none() | RULES, MOMENTS)
def test_a_change_is_read_as_it_was_told(outreach: str, state: State, rule: Rule | None, at: datetime) -> None:
    change = Change(outreach, state, rule, at)
    assert Change.of(change.told()) == change
