"""What Kafka's users may do, as it is made from the topics' descriptions."""

from deploy.acls import CLUSTER, USERS, Acl, acls
from shared.contracts.topics import ALL_TOPICS, CANDIDATE_EVENTS, CONSENT_STATE, OUTREACH_OUTCOMES, TENANTS, Topic


def _may(operation: str, topic: Topic) -> set[str]:
    return {one.user for one in acls() if (one.resource, one.name, one.operation) == ("topic", topic.name, operation)}


def test_an_owner_writes_a_reader_reads_and_puts_aside_what_it_could_not_read() -> None:
    assert _may("Write", CONSENT_STATE) - {"operator"} == {"consent"}
    assert _may("Read", CONSENT_STATE) == {*CONSENT_STATE.readers, "consent"}  # which reads back what it keeps
    assert _may("Write", CONSENT_STATE.dead_letters) == {*CONSENT_STATE.readers, "signup", "operator"}
    assert _may("Read", CONSENT_STATE.dead_letters) == {"operator"}
    assert _may("Read", CANDIDATE_EVENTS) == set(CANDIDATE_EVENTS.readers)  # kept by age: nobody reads it back


def test_who_shares_an_outbox_sends_the_other_s_records_and_nothing_that_goes_by_none() -> None:
    assert _may("Write", OUTREACH_OUTCOMES) - {"operator"} == {"signup", "courier"}
    assert _may("Write", TENANTS) == {"operator", "signup"}


def test_each_process_has_its_own_groups_and_only_the_operator_touches_the_cluster() -> None:
    groups = [(one.user, one.name) for one in acls() if one.resource == "group"]
    assert groups == [(user, f"{user}.") for user in sorted(USERS) if user != "operator"]
    assert all(one.is_prefix is (one.resource == "group") for one in acls())
    assert [one for one in acls() if one.resource == "cluster"] == [Acl("operator", "cluster", CLUSTER, "Create")]
    changes = {one.user for one in acls() if one.operation in ("Create", "AlterConfigs")}
    assert changes == {"operator"}


def test_every_topic_has_a_writer_and_no_other_is_named() -> None:
    assert {one.name for one in acls() if one.resource == "topic"} == {topic.name for topic in ALL_TOPICS}
    assert all(_may("Write", topic) for topic in ALL_TOPICS)
