"""Which dead letters a command means: those that wait, of a reason or by their offsets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from deploy.dead_letters import DeadLetter
from deploy.local.errors import StackError
from shared.messaging.signatures import UNSIGNED


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    topic: str | None = None
    reason: str | None = None
    offsets: Sequence[int] = ()
    limit: int | None = None
    again: bool = False
    unsigned: bool = False
    """Also what nobody signed: where signatures are required it is refused again, each time."""

    def __post_init__(self) -> None:
        if self.offsets and self.topic is None:
            raise StackError("expected --topic with --offset, found none: an offset counts within one topic.")
        if self.offsets and (self.reason is not None or self.limit is not None):
            raise StackError("expected --offset alone, found it with --reason or --limit: it names each letter itself.")


@dataclass(slots=True)
class Choice:
    """The letters that are meant, and by what they are, those of the reason that are not."""

    chosen: list[DeadLetter] = field(default_factory=list)
    replayed: int = 0
    done: int = 0
    foreign: int = 0
    shortened: int = 0
    unsigned: int = 0

    @property
    def left_out(self) -> dict[str, int]:
        """How many were not chosen: replayed before, marked done, not put there by Fairpool, not kept whole, not signed."""
        return {
            "replayed": self.replayed,
            "done": self.done,
            "foreign": self.foreign,
            "shortened": self.shortened,
            "unsigned": self.unsigned,
        }


def choose(letters: Sequence[DeadLetter], wish: Wish, *, foreign: bool = False) -> Choice:
    """Those that were asked for; StackError when one that was named by its offset cannot be had.

    Foreign ones and those that are not whole cannot be replayed, so they are chosen only when asked for; nor can what nobody
    signed, unless unsigned records are read as well.
    """
    if wish.offsets:
        by_offset = {letter.offset: letter for letter in letters}
        return Choice([_named(by_offset, wish, offset, foreign=foreign) for offset in dict.fromkeys(wish.offsets)])
    choice = Choice()
    taken: Counter[str] = Counter()
    for letter in letters:
        if wish.reason is not None and not letter.reason.startswith(wish.reason):
            continue
        if letter.state == "done":
            choice.done += 1
        elif letter.state == "replayed" and not wish.again:
            choice.replayed += 1
        elif not (letter.ours or foreign):
            choice.foreign += 1
        elif letter.left_out and not foreign:
            choice.shortened += 1
        elif _kind(letter) == UNSIGNED and not (wish.unsigned or foreign):
            choice.unsigned += 1
        elif wish.limit is None or taken[letter.topic] < wish.limit:
            taken[letter.topic] += 1
            choice.chosen.append(letter)
    return choice


def _kind(letter: DeadLetter) -> str:
    """What stands before the colon of its reason."""
    return letter.reason.partition(":")[0]


def _named(by_offset: dict[int, DeadLetter], wish: Wish, offset: int, *, foreign: bool) -> DeadLetter:
    letter = by_offset.get(offset)
    if letter is None:
        raise no_such(wish.topic or "", offset)
    if not (letter.ours or foreign):
        raise StackError(
            f"expected a letter that Fairpool put there at offset {offset}, found another: it does not say where it is "
            f"from, so it cannot be sent back. `fairpool dlq done --topic {letter.topic} --offset {offset}` sets it aside."
        )
    if letter.left_out and not foreign:
        raise StackError(
            f"expected a whole letter at offset {offset}, found one whose {letter.left_out.replace(' ', ' and ')} did not fit: "
            f"ask whoever wrote {letter.origin} to send it again. "
            f"`fairpool dlq done --topic {letter.topic} --offset {offset}` sets it aside."
        )
    if _kind(letter) == UNSIGNED and not (wish.unsigned or foreign):
        raise StackError(
            f"expected a letter that can be read once it is sent back at offset {offset}, found one that nobody signed: it would be refused "
            f"again. `fairpool dlq done --topic {letter.topic} --offset {offset}` sets it aside; with FAIRPOOL_SIGNATURES=take, --unsigned sends it."
        )
    if letter.settled is not None and not wish.again:
        word = "was replayed" if letter.state == "replayed" else "was marked done"
        hint = f" `fairpool dlq replay --topic {letter.topic} --offset {offset} --again` sends it all the same."
        raise StackError(
            f"expected a letter that waits at offset {offset}, found one that {word} at {letter.settled.at}."
            + (hint if letter.ours and not letter.left_out else "")
        )
    return letter


def no_such(topic: str, offset: int) -> StackError:
    """There is no letter there."""
    return StackError(
        f"expected a dead letter of {topic} at offset {offset}, found none. See `fairpool dlq list --topic {topic} --all`."
    )
