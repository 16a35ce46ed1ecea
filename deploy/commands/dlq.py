"""`fairpool dlq`: what could not be handled, sending it back, and marking it as dealt with."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer

from deploy import dead_letters
from deploy.commands import dlq_text, kafka
from deploy.commands.dlq_choice import Choice, Wish, choose, no_such
from deploy.commands.terminal import HomeOption, JsonOption, fails_plainly, out
from deploy.local.errors import StackError
from deploy.local.home import Home
from shared.contracts.topics import DEAD_LETTER_SUFFIX, TOPICS, Topic

app = typer.Typer(
    help="Dead letters: what could not be handled. One waits until it is replayed or marked done, and is kept for 7 days.",
    no_args_is_help=True,
)
TopicOption = Annotated[
    str | None, typer.Option("--topic", metavar="NAME", help="Of this topic only, such as ats-events.")
]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="WORDS", help="Of those whose reason begins so, such as 'failed:'.")
]
OffsetOption = Annotated[
    list[int] | None,
    typer.Option("--offset", min=0, metavar="N", help="The letter at this offset of --topic; may be given again."),
]


@app.command("list")
@fails_plainly
def list_letters(
    topic: TopicOption = None,
    reason: ReasonOption = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="With --topic or --reason: also letters that were replayed or marked done.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Each topic: how many letters wait, were replayed or marked done. With --topic or --reason: each letter that waits."""
    chosen = _topics(topic)
    found = kafka.speak(dead_letters.read(kafka.find(Home.at(home)), chosen))
    if topic is None and reason is None:
        heaps = dead_letters.piles(found, chosen)
        out.print(json.dumps([dlq_text.pile(heap) for heap in heaps]) if as_json else dlq_text.piles(heaps))
        return
    asked = [letter for letter in found if letter.reason.startswith(reason or "")]
    listed = [letter for letter in asked if everything or letter.state == "waiting"]
    if as_json:
        out.print(json.dumps([dlq_text.summary(letter) for letter in listed]))
        return
    out.print(dlq_text.letters(listed) if listed else "no dead letters wait" if asked else "no dead letters")
    if len(listed) < len(asked):
        out.print(f"{len(asked) - len(listed)} more were replayed or marked done: --all lists them")


@app.command()
@fails_plainly
def show(
    topic: Annotated[str, typer.Argument(help="The topic that it came from, such as ats-events.")],
    offset: Annotated[int, typer.Argument(min=0, help="Its offset, from `fairpool dlq list --topic`.")],
    home: HomeOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """One dead letter: state, reason, headers, size and payload as they came. What is sealed stays sealed."""
    [chosen] = _topics(topic)
    found = kafka.speak(dead_letters.find(kafka.find(Home.at(home)), chosen, offset))
    if found is None:
        raise no_such(chosen.name, offset)
    out.print(json.dumps(dlq_text.whole(*found)) if as_json else dlq_text.one(*found))


@app.command()
@fails_plainly
def replay(
    topic: TopicOption = None,
    reason: ReasonOption = None,
    offset: OffsetOption = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="The oldest N of each topic at most.")] = None,
    *,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Also those replayed before; with --offset also one marked done. Each that fails is one more.",
        ),
    ] = False,
    unsigned: Annotated[
        bool,
        typer.Option(
            "--unsigned",
            help="Also those that nobody signed; they are refused again but where FAIRPOOL_SIGNATURES=take.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send the dead letters that wait back to their topics, as they came and under their own ids.

    Whoever handled one before drops it. Each is noted as replayed, and later replays leave it out. One that fails again
    becomes a new letter, which waits in its place.
    """
    brokers = kafka.find(Home.at(home))
    wish = Wish(topic, reason, offset or (), limit, again, unsigned)
    topics = _topics(topic)
    choice = choose(kafka.speak(dead_letters.read(brokers, topics)), wish)
    sent = Counter(letter.topic for letter in choice.chosen)
    if choice.chosen and not dry_run:
        sent = kafka.speak(dead_letters.send_back(brokers, choice.chosen, topics))
    if as_json:
        out.print(json.dumps({"dry_run": dry_run, "replayed": sent, "left_out": choice.left_out}))
        return
    for name, count in sent.items():
        out.print(f"{'would send back' if dry_run else 'sent back'} {count} to {name}")
    _say_what_is_left_out(choice)


@app.command()
@fails_plainly
def done(
    topic: Annotated[str, typer.Option("--topic", metavar="NAME", help="The topic that they came from.")],
    offset: OffsetOption = None,
    reason: ReasonOption = None,
    home: HomeOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Mark dead letters that wait as dealt with: nothing is sent, and a replay takes one only by --offset N --again."""
    if not offset and reason is None:
        raise StackError("expected --offset or --reason, found neither: say which letters are dealt with.")
    brokers = kafka.find(Home.at(home))
    [chosen] = topics = _topics(topic)
    letters = choose(
        kafka.speak(dead_letters.read(brokers, topics)), Wish(chosen.name, reason, offset or ()), foreign=True
    ).chosen
    if letters:
        kafka.speak(dead_letters.set_aside(brokers, letters))
    if as_json:
        out.print(json.dumps({"done": {chosen.name: [letter.offset for letter in letters]}}))
    elif not letters:
        out.print("no dead letters wait")
    else:
        out.print(f"marked {len(letters)} of {chosen.name} as done; nothing was sent")
        out.print(f"`fairpool dlq replay --topic {chosen.name} --offset N --again` still sends one while it is kept")


def _say_what_is_left_out(choice: Choice) -> None:
    if choice.replayed:
        out.print(f"left out {choice.replayed} that were replayed before (--again sends them once more)")
    if choice.done:
        out.print(f"left out {choice.done} that are marked done (--offset N --again sends one)")
    if choice.foreign:
        out.print(f"left out {choice.foreign} that Fairpool did not put there")
    if choice.shortened:
        out.print(f"left out {choice.shortened} that were too large to be kept whole (`fairpool dlq show` says more)")
    if choice.unsigned:
        out.print(
            f"left out {choice.unsigned} that nobody signed, which would be refused again (--unsigned sends them)"
        )
    if not choice.chosen:
        out.print("no dead letters wait" if any(choice.left_out.values()) else "no dead letters")


def _topics(name: str | None) -> Sequence[Topic]:
    if name is None:
        return TOPICS
    found = [topic for topic in TOPICS if topic.name == name.removesuffix(DEAD_LETTER_SUFFIX)]
    if not found:
        raise StackError(f"expected a topic that `fairpool topics list` names, found {name!r}.")
    return found
