"""`fairpool topics`: what there is on Kafka, beside what there should be."""

import json
from datetime import timedelta

import typer

from deploy.commands import kafka
from deploy.commands.terminal import HomeOption, JsonOption, fails_plainly, out, table
from deploy.local.home import Home
from shared.contracts.topics import ALL_TOPICS, Topic
from shared.messaging import topics

app = typer.Typer(help="Kafka's topics: list or create them.", no_args_is_help=True)


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
