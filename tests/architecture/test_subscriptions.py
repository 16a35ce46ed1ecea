"""Who reads what is written in one place, and every service keeps to it."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.contracts import topics
from shared.contracts.registry import EVENTS
from shared.contracts.topics import ALL_TOPICS, TOPICS, Topic
from shared.messaging.asyncapi import owners

PROJECT = Path(__file__).parents[2]
PROCESSES = {
    "consent": "services/consent",
    "outreach_gateway": "services/outreach_gateway",
    "pool_matching": "services/pool_matching",
    "signup": "services/signup",
    "courier": "services/signup/courier",
}
BY_NAME = {name: value for name, value in vars(topics).items() if isinstance(value, Topic)}


def _calls(process: str, function: str) -> Iterator[ast.Call]:
    tree = ast.parse((PROJECT / PROCESSES[process] / "app.py").read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == function:
            yield node


def _argument(call: ast.Call, name: str, place: int) -> ast.expr | None:
    named = [keyword.value for keyword in call.keywords if keyword.arg == name]
    return named[0] if named else (call.args[place] if len(call.args) > place else None)


def _topics(node: ast.expr | None) -> list[Topic]:
    names = node.elts if isinstance(node, ast.Tuple) else [node]
    return [BY_NAME[name.id] for name in names if isinstance(name, ast.Name)]


def _groups(process: str) -> list[tuple[str, list[Topic]]]:
    found = []
    for call in _calls(process, "Subscription"):
        group = _argument(call, "group", 0)
        assert isinstance(group, ast.Constant | ast.JoinedStr), f"{process}: a subscription's group is written out"
        name = group.value if isinstance(group, ast.Constant) else ast.unparse(group)
        found.append((str(name), _topics(_argument(call, "topics", 1))))
    return found


@pytest.mark.parametrize("process", PROCESSES)
def test_every_subscription_names_its_group_after_its_service(process: str) -> None:
    groups = [group for group, _ in _groups(process)]
    assert groups, f"{process} subscribes to nothing"
    assert all(group.startswith(f"{process}.") for group in groups)
    assert len(set(groups)) == len(groups)


@pytest.mark.parametrize("process", PROCESSES)
def test_every_subscription_and_copy_is_of_a_topic_that_names_the_service_as_a_reader(process: str) -> None:
    read = [topic for _, found in _groups(process) for topic in found]
    read += [topic for call in _calls(process, "follow") for topic in _topics(_argument(call, "topic", 0))]
    assert read
    assert all(found for _, found in _groups(process)), "topics are written out as a tuple of names"
    assert {topic.name for topic in read if process not in topic.readers} == set()


@pytest.mark.parametrize("process", PROCESSES)
def test_every_reader_that_a_topic_names_does_read_it(process: str) -> None:
    source = "\n".join(path.read_text("utf-8") for path in (PROJECT / PROCESSES[process]).glob("*.py"))
    read = {name for name in BY_NAME if name in source} | {"TENANTS"}  # each service follows the tenants
    named = {name for name, topic in BY_NAME.items() if process in topic.readers}
    assert named - read == set()


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_has_an_owner_and_readers_that_exist(topic: Topic) -> None:
    known = {*PROCESSES, "operator"}
    assert set(owners(topic)) <= known
    assert topic.readers
    assert set(topic.readers) <= known
    assert topic.partitions >= 1
    assert topic.carries


def test_every_topic_of_the_file_is_created_with_its_dead_letters() -> None:
    assert set(BY_NAME.values()) == set(TOPICS)
    assert {topic.name for topic in ALL_TOPICS} == {
        name for topic in TOPICS for name in (topic.name, f"{topic.name}-dlq")
    }


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_carries_an_event(topic: Topic) -> None:
    assert [event for event in EVENTS.values() if event.TOPIC is topic]


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.__name__)
def test_every_event_stands_in_the_file_of_its_topics_owner(event: type) -> None:
    module = event.__module__.rpartition(".")[2]
    kind = EVENTS[event.TYPE]  # type: ignore[attr-defined]  # every one of them is an Event
    assert {"courier": "signup"}.get(owners(kind.TOPIC)[0], module) == module or module in owners(kind.TOPIC)
    assert event.__name__.endswith(kind.TYPE.rpartition(".")[2].upper())


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_has_one_way_to_be_put_together(process: str) -> None:
    module = importlib.import_module(PROCESSES[process].replace("/", ".") + ".app")
    assert callable(module.build)
