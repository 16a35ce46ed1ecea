"""What each process may do on Kafka, and no more: made from the descriptions of the topics."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.contracts.topics import ALL_TOPICS, DEAD_LETTER_SUFFIX, Topic, signer_of

Resource = Literal["topic", "group", "cluster"]
Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs", "AlterConfigs"]

OPERATOR = "operator"
CLUSTER = "kafka-cluster"
"""What Kafka calls the one cluster that there is."""


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One thing that a user is allowed, from any host; all that no Acl allows is refused."""

    user: str
    resource: Resource
    name: str
    """With `group` what its groups' names begin with, else the whole name."""
    operation: Operation

    @property
    def is_prefix(self) -> bool:
        """Whether the name stands for all that begin with it."""
        return self.resource == "group"


def processes(topics: Sequence[Topic] = ALL_TOPICS) -> tuple[str, ...]:
    """Everybody of ours who writes or reads, each of whom is a user of Kafka, but for the operator."""
    named = {name for topic in topics for name in (*topic.owners, *topic.readers)}
    return tuple(sorted(named - {OPERATOR}))


USERS: tuple[str, ...] = (*processes(), OPERATOR)
"""Every user of Kafka that Fairpool has."""


def acls(topics: Sequence[Topic] = ALL_TOPICS) -> tuple[Acl, ...]:
    """All of them, in order. Whoever may read or write may also look at it: Kafka takes that for granted.

    Idempotent producers need nothing besides; nobody uses transactions.
    """
    who = processes(topics)
    found = {acl for process in who for acl in _of_process(process, topics)} | set(_of_operator(topics))
    return tuple(sorted(found))


def _of_process(process: str, topics: Sequence[Topic]) -> Iterator[Acl]:
    yield Acl(process, "group", f"{process}.", "Read")
    for topic in topics:
        # Who shares an outbox sends the other's records.
        shares = topic.by_outbox and signer_of(process) in topic.signers
        if process in topic.owners or shares:
            yield Acl(process, "topic", topic.name, "Write")
        reads_back = process in topic.owners and topic.clean_up == "compact"
        if process in topic.readers or reads_back:
            yield Acl(process, "topic", topic.name, "Read")


def _of_operator(topics: Sequence[Topic]) -> Iterator[Acl]:
    """Creates, compares and alters topics, says who the tenants are, and sends dead letters back to where they come from."""
    yield Acl(OPERATOR, "cluster", CLUSTER, "Create")
    for topic in topics:
        for operation in ("DescribeConfigs", "AlterConfigs"):
            yield Acl(OPERATOR, "topic", topic.name, operation)
        yield Acl(OPERATOR, "topic", topic.name, "Write" if _is_written(topic, topics) else "Describe")
        if OPERATOR in (*topic.owners, *topic.readers):
            yield Acl(OPERATOR, "topic", topic.name, "Read")


def _is_written(topic: Topic, topics: Sequence[Topic]) -> bool:
    """Whether a replay puts records there, or notes there that it did."""
    names = {one.name for one in topics}
    return (
        topic.name.endswith(DEAD_LETTER_SUFFIX) or topic.name + DEAD_LETTER_SUFFIX in names or OPERATOR in topic.owners
    )
