"""`fairpool topics`: what there is on Kafka, beside what there should be."""

import json
from dataclasses import asdict
from datetime import timedelta

import typer

from deploy import topics as operated
from deploy.commands import kafka
from deploy.commands.terminal import HomeOption, JsonOption, fails_plainly, out, table, warn
from deploy.local.home import Home
from deploy.topics import Checked, Difference
from shared.contracts.topics import ALL_TOPICS, Topic
from shared.messaging import topics

app = typer.Typer(help="Kafka's topics: list, create, check or reconcile them.", no_args_is_help=True)


@app.command("list")
@fails_plainly
def list_topics(home: HomeOption = None, *, as_json: JsonOption = False) -> None:
    """Each topic as it is described, and whether Kafka has it. Exit code 1 when one is missing."""
    there = set(kafka.speak(kafka.topic_names(kafka.find(Home.at(home)))))
    if as_json:
        out.print(json.dumps([_entry(topic, exists=topic.name in there) for topic in ALL_TOPICS]))
    else:
        rows: list[tuple[str, ...]] = [("TOPIC", "KEY", "PARTITIONS", "KEPT", "OWNER", "EXISTS")]
        rows += [_row(topic, exists=topic.name in there) for topic in ALL_TOPICS]
        out.print(table(rows))
    raise typer.Exit(0 if all(topic.name in there for topic in ALL_TOPICS) else 1)


@app.command()
@fails_plainly
def create(home: HomeOption = None, *, replication: int = 1) -> None:
    """Create the topics that are missing; again is harmless."""
    made = kafka.speak(topics.create_missing(kafka.find(Home.at(home)), replication=replication))
    out.print("\n".join(f"created {name}" for name in made) if made else "every topic was there")


@app.command()
@fails_plainly
def check(home: HomeOption = None, *, as_json: JsonOption = False) -> None:
    """Compare names, partitions and settings with what Fairpool describes; changes nothing. Exit code 1 when they differ."""
    _report(kafka.speak(operated.check(kafka.find(Home.at(home)))), as_json=as_json, said="every topic is as described")


@app.command()
@fails_plainly
def reconcile(home: HomeOption = None, *, replication: int = 1, as_json: JsonOption = False) -> None:
    """Create what is missing and alter retention and clean-up where the broker can; say what is left. Exit code 1 if anything is.

    Partitions are never changed: keys would move, and the order of their records would be lost.
    """
    brokers = kafka.find(Home.at(home))
    left = kafka.speak(operated.reconcile(brokers, replication=replication))
    _report(left, as_json=as_json, said="every topic is as described now")


def _report(checked: Checked, *, as_json: bool, said: str) -> None:
    if as_json:
        shown = {"differences": [asdict(item) for item in checked.differences], "beyond": checked.beyond}
        out.print(json.dumps(shown))
    elif checked.differences:
        rows = [("TOPIC", "WHAT", "EXPECTED", "FOUND", "WHAT TO DO")]
        rows += [(i.topic, i.name, i.expected, i.found, _advice(i, checked)) for i in checked.differences]
        out.print(table(rows))
    else:
        out.print(said)
    if checked.beyond is not None:
        warn(checked.beyond)
    raise typer.Exit(1 if checked.differences else 0)


def _advice(item: Difference, checked: Checked) -> str:
    if item.what == "partitions":
        return "make the topic anew: keys would move"
    if checked.beyond is not None:
        return "see below"
    return "fairpool topics reconcile"


def _entry(topic: Topic, *, exists: bool) -> dict[str, str | int | bool]:
    return {
        "topic": topic.name,
        "key": topic.key,
        "partitions": topic.partitions,
        "kept": _span(topic.kept),
        "owner": topic.owner,
        "exists": exists,
    }


def _row(topic: Topic, *, exists: bool) -> tuple[str, ...]:
    return (topic.name, topic.key, str(topic.partitions), _span(topic.kept), topic.owner, "yes" if exists else "no")


def _span(kept: timedelta | None) -> str:
    return "compacted" if kept is None else f"{kept.days} d"
