"""`fairpool topics`: what there is on Kafka, beside what there should be."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, NoReturn

import typer

from deploy import access, kafka_secrets
from deploy import topics as operated
from deploy.access import Extra
from deploy.acls import USERS
from deploy.acls import acls as every_acl
from deploy.commands import kafka
from deploy.commands.terminal import HomeOption, JsonOption, fails_plainly, out, table, warn
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.topics import Checked, Difference
from shared.contracts.topics import ALL_TOPICS, Topic
from shared.messaging import topics

ReplicationOption = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="On how many brokers each partition should be: compared, and taken for new topics."
    ),
]
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
def create(
    home: HomeOption = None,
    *,
    replication: int = 1,
    users: Annotated[
        bool,
        typer.Option("--users", help="Also make Kafka's users, with their passwords and ACLs: takes an administrator."),
    ] = False,
) -> None:
    """Create the topics that are missing; again is harmless."""
    brokers = kafka.find(Home.at(home))
    if users and (missing := kafka_secrets.missing_from(os.environ)):
        raise StackError(
            f"expected the passwords of Kafka's users in the environment, found none in {', '.join(missing)}. "
            "`fairpool secrets kafka` makes them."
        )
    made = kafka.speak(topics.create_missing(brokers, replication=replication))
    out.print("\n".join(f"created {name}" for name in made) if made else "every topic was there")
    if users:
        given = kafka_secrets.given_in(os.environ)
        before = kafka.speak(access.grant(brokers, given))
        out.print(f"gave {len(given)} users their passwords, and {len(before.missing)} ACLs that they had not")
        if before.extra:
            warn(f"{_besides(before.extra)}\nTake them away: fairpool topics acls --remove-extra")


_NONE_IS_THERE = (
    "none of these ACLs is there: either no users were made (`fairpool topics create --users`), or this Kafka has no authorizer, "
    "and then everybody may do everything there"
)


@app.command()
@fails_plainly
def acls(
    home: HomeOption = None,
    *,
    compare: Annotated[
        bool, typer.Option("--check", help="Compare with Kafka's. Exit code 1 when they differ.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove-extra", help="Take away what our users may do besides.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print what each of Kafka's users may do: all else is refused to it. Asks no broker unless told to."""
    wanted = every_acl()
    if not compare and not remove:
        rows = [("USER", "RESOURCE", "NAME", "OPERATION")]
        rows += [(one.user, one.resource, one.name + "*" * one.is_prefix, one.operation) for one in wanted]
        out.print(json.dumps([asdict(one) | {"prefix": one.is_prefix} for one in wanted]) if as_json else table(rows))
        return
    brokers = kafka.find(Home.at(home))
    found = kafka.speak(access.compare(brokers, wanted, USERS))
    if remove and found.extra:
        kafka.speak(access.take_away(brokers, found.extra, wanted, USERS))
        found = kafka.speak(access.compare(brokers, wanted, USERS))
    if as_json:
        extra = [{"user": one.user, "what": one.what} for one in found.extra]
        out.print(json.dumps({"missing": [asdict(one) for one in found.missing], "extra": extra}))
    else:
        missing = [f"{one.user} may not {one.operation} {one.resource} {one.name}" for one in found.missing]
        if len(missing) == len(wanted):
            missing = [_NONE_IS_THERE]
        lines = [*missing, *([_besides(found.extra)] if found.extra else [])]
        out.print("\n".join(lines) or "each user may do what it needs, and no more")
    raise typer.Exit(1 if found.missing or found.extra else 0)


@app.command()
@fails_plainly
def check(home: HomeOption = None, *, replication: ReplicationOption = None, as_json: JsonOption = False) -> None:
    """Compare names, partitions and settings with what Fairpool describes; changes nothing. Exit code 1 when they differ."""
    found = kafka.speak(operated.check(kafka.find(Home.at(home)), replication=replication))
    if as_json:
        out.print(json.dumps(_shown(found)))
    elif found.differences:
        out.print(_differences(found, otherwise="fairpool topics reconcile"))
    else:
        out.print("every topic is as described")
    _end(found)


@app.command()
@fails_plainly
def reconcile(home: HomeOption = None, *, replication: ReplicationOption = None, as_json: JsonOption = False) -> None:
    """Create what is missing and alter settings where the broker can; say what was done, and what is left. Exit code 1 if anything is.

    Partitions are never changed: keys would move, and the order of their records would be lost. Nor are replicas moved.
    """
    brokers, done = kafka.find(Home.at(home)), list[Difference]()

    def tell(item: Difference) -> None:
        done.append(item)
        if not as_json:
            out.print(_done(item))

    left = kafka.speak(operated.reconcile(brokers, replication=replication, mended=tell))
    if as_json:
        out.print(json.dumps({"done": [asdict(item) for item in done], **_shown(left)}))
    elif left.differences:
        otherwise = "the broker said yes; look again with: fairpool topics check"
        out.print("left as it is:\n" + _differences(left, otherwise=otherwise))
    else:
        out.print("every topic is as described now")
    _end(left)


def _besides(extra: Sequence[Extra]) -> str:
    return "\n".join(f"{one.user} has besides: {one.what}" for one in extra)


def _shown(checked: Checked) -> dict[str, object]:
    return {"differences": [asdict(item) for item in checked.differences], "beyond": checked.beyond}


def _differences(checked: Checked, *, otherwise: str) -> str:
    rows = [("TOPIC", "WHAT", "EXPECTED", "FOUND", "WHAT TO DO")]
    rows += [(i.topic, i.name, i.expected, i.found, _advice(i, checked, otherwise)) for i in checked.differences]
    return table(rows)


def _end(checked: Checked) -> NoReturn:
    if checked.beyond is not None:
        warn(checked.beyond)
    raise typer.Exit(1 if checked.differences else 0)


def _done(item: Difference) -> str:
    if item.what == "missing":
        return f"created {item.topic}"
    return f"set {item.name} of {item.topic} from {item.found} to {item.expected}"


def _advice(item: Difference, checked: Checked, otherwise: str) -> str:
    if item.what == "replication":
        return "move replicas with the broker's own tools"
    if item.what == "partitions":
        return "make the topic anew (docs/watching.md): keys would move"
    if item.what == "setting" and checked.beyond is not None:
        return "see below"
    return otherwise


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
