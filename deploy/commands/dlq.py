"""`fairpool dlq`: what could not be handled, and sending it back."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from deploy import dead_letters
from deploy.commands import kafka
from deploy.commands.terminal import HomeOption, JsonOption, fails_plainly, out, table
from deploy.dead_letters import DeadLetter, Pile
from deploy.local.errors import StackError
from deploy.local.home import Home
from shared.contracts.topics import DEAD_LETTER_SUFFIX, TOPICS, Topic
from shared.messaging.dead_letters import ADDED

app = typer.Typer(
    help="Dead letters: what could not be handled. They are kept for 7 days; replay sends them back.",
    no_args_is_help=True,
)
TopicOption = Annotated[
    str | None, typer.Option("--topic", metavar="NAME", help="Of this topic only, such as ats-events.")
]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="WORDS", help="Of those whose reason begins so, such as 'failed:'.")
]


@app.command("list")
@fails_plainly
def list_letters(
    topic: TopicOption = None, reason: ReasonOption = None, home: HomeOption = None, *, as_json: JsonOption = False
) -> None:
    """Each topic with its number of dead letters, their reasons and the oldest; of one topic, each letter."""
    chosen = _topics(topic)
    brokers = kafka.find(Home.at(home))
    if topic is None and reason is None:
        found = kafka.speak(dead_letters.piles(brokers, chosen))
        out.print(json.dumps([_pile(pile) for pile in found]) if as_json else _piles(found))
        return
    letters = kafka.speak(_select(brokers, chosen, reason))
    if as_json:
        out.print(json.dumps([_summary(letter) for letter in letters]))
        return
    rows: list[tuple[str, ...]] = [("TOPIC", "OFFSET", "AT", "REASON", "GROUP", "BYTES")]
    rows += [tuple(str(value) for value in _summary(letter).values()) for letter in letters]
    out.print(table(rows) if letters else "no dead letters")


@app.command()
@fails_plainly
def show(
    topic: Annotated[str, typer.Argument(help="The topic that it came from, such as ats-events.")],
    offset: Annotated[int, typer.Argument(min=0, help="Its offset, from `fairpool dlq list --topic`.")],
    home: HomeOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """One dead letter: reason, headers, size and payload as they came. What is sealed stays sealed."""
    letters = kafka.speak(_select(kafka.find(Home.at(home)), _topics(topic), None))
    letter = next((letter for letter in letters if letter.record.offset == offset), None)
    if letter is None:
        raise StackError(
            f"expected a dead letter of {topic} at offset {offset}, found {len(letters)} others. "
            f"See `fairpool dlq list --topic {topic}`."
        )
    shown = _whole(letter)
    if as_json:
        out.print(json.dumps(shown))
        return
    headers = shown.pop("headers")
    payload = shown.pop("payload")
    rows = [(name, str(value)) for name, value in shown.items()]
    rows += [(f"header {header['name']}", str(header["value"])) for header in headers]
    out.print(table(rows))
    out.print(payload if isinstance(payload, str) else json.dumps(payload, indent=2))


@app.command()
@fails_plainly
def replay(
    topic: TopicOption = None,
    reason: ReasonOption = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="The oldest N of each topic at most.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send dead letters back to their topics, as they came and under their own ids.

    Whoever handled one before drops it, so a second replay has no second effect. The letters stay for their 7 days.
    """
    brokers = kafka.find(Home.at(home))
    letters = _oldest(kafka.speak(_select(brokers, _topics(topic), reason)), limit)
    foreign = sum(letter.original is None for letter in letters)
    if not dry_run:
        kafka.speak(dead_letters.send_back(brokers, letters))
    counts: dict[str, int] = {}
    for letter in letters:
        if letter.original is not None:
            counts[letter.topic] = counts.get(letter.topic, 0) + 1
    if as_json:
        out.print(json.dumps({"dry_run": dry_run, "replayed": counts, "left_out": foreign}))
        return
    word = "would send back" if dry_run else "sent back"
    for name, count in counts.items():
        out.print(f"{word} {count} to {name}")
    if foreign:
        out.print(f"left out {foreign} that Fairpool did not put there")
    if not letters:
        out.print("no dead letters")


def _topics(name: str | None) -> Sequence[Topic]:
    if name is None:
        return TOPICS
    found = [topic for topic in TOPICS if topic.name == name.removesuffix(DEAD_LETTER_SUFFIX)]
    if not found:
        raise StackError(f"expected a topic that `fairpool topics list` names, found {name!r}.")
    return found


async def _select(brokers: list[str], topics: Sequence[Topic], reason: str | None) -> list[DeadLetter]:
    return [
        letter
        async for letter in dead_letters.each(brokers, topics)
        if reason is None or letter.reason.startswith(reason)
    ]


def _oldest(letters: Sequence[DeadLetter], limit: int | None) -> list[DeadLetter]:
    taken: dict[str, int] = {}
    chosen = []
    for letter in letters:
        taken[letter.topic] = taken.get(letter.topic, 0) + 1
        if limit is None or taken[letter.topic] <= limit:
            chosen.append(letter)
    return chosen


def _pile(pile: Pile) -> dict[str, object]:
    return {"topic": pile.topic, "count": pile.count, "oldest": pile.oldest or None, "reasons": dict(pile.reasons)}


def _piles(found: Sequence[Pile]) -> str:
    rows = [("TOPIC", "COUNT", "OLDEST", "REASONS")]
    for pile in found:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in pile.reasons.most_common(3))
        rows.append((pile.topic, str(pile.count), pile.oldest or "-", reasons or "-"))
    return table(rows)


def _summary(letter: DeadLetter) -> dict[str, object]:
    return {
        "topic": letter.topic,
        "offset": letter.record.offset,
        "at": letter.noted("at"),
        "reason": letter.reason,
        "group": letter.noted("group"),
        "bytes": len(letter.record.value or b""),
    }


def _whole(letter: DeadLetter) -> dict[str, Any]:
    record = letter.record
    headers = record.headers if letter.original is None else record.headers[: -len(ADDED)]
    where = f"{letter.noted('topic')}/{letter.noted('partition')}/{letter.noted('offset')}"
    return {
        **_summary(letter),
        "from": where if letter.original is not None else None,
        "key": _text(record.key),
        "headers": [{"name": name, "value": _text(raw)} for name, raw in headers],
        "payload": _payload(record.value),
    }


def _text(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    text = raw.decode("utf-8", "replace")
    return text if text.isprintable() and "\ufffd" not in text else f"hex {raw.hex()}"


def _payload(raw: bytes | None) -> object:
    try:
        return json.loads(raw or b"")
    except (ValueError, RecursionError):
        return f"hex {(raw or b'').hex()}"
