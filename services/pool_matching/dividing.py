"""People divided into groups that are shown alike, each of enough; a pure function of what there is to show of them."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

Item = tuple[str, Hashable]
"""One field of a row with its value; of a field that holds several, one of them."""
Items = frozenset[Item]


def divided(items: Mapping[str, Items], many: Collection[str], *, fewest: int) -> dict[str, Items]:
    """What may be shown of each: they are divided by what most have, so that `fewest` of `many` are on either side, and in the
    end what all have who are left together is shown.

    Where too few don't have it some of the others go with them, the first in the order in which people come. Call with at
    least `fewest` of them.
    """
    found: dict[str, Items] = {}
    work = [_Part.of(items.items(), many, fewest)]
    while work:
        part = work.pop()
        by = part.best()
        if by is None:
            found |= dict.fromkeys(part.people, part.common())
        else:
            work += (part.taken(by), part)
    return found


def order(item: Item) -> tuple[str, str]:
    """An order of items that is the same everywhere."""
    name, value = item
    return name, str(value)


@dataclass(slots=True)
class _Part:
    """Some of them, counted as they are divided, so that nothing is counted twice."""

    many: Collection[str]
    fewest: int
    people: dict[str, Items] = field(default_factory=dict)
    """In the order in which they come, with what is left to show of each."""
    have: dict[Item, dict[str, None]] = field(default_factory=dict)
    """Who has it, in no order that counts."""
    often: Counter[Item] = field(default_factory=Counter)
    """Of those who count."""
    counted: int = 0
    able: list[Item] | None = None
    """What enough had when it was last looked at: from what too few have nothing comes."""

    @classmethod
    def of(cls, people: Iterable[tuple[str, Items]], many: Collection[str], fewest: int) -> "_Part":
        """With these people."""
        part = cls(many, fewest)
        for who, items in people:
            part.add(who, items)
        return part

    def add(self, who: str, items: Items) -> None:
        """One more."""
        self.people[who] = items
        counts = who in self.many
        self.counted += counts
        for item in items:
            self.have.setdefault(item, {})[who] = None
            self.often[item] += counts

    def remove(self, who: str) -> Items:
        """One less."""
        items, counts = self.people.pop(who), who in self.many
        self.counted -= counts
        for item in items:
            self.often[item] -= counts
            del self.have[item][who]
            if not self.have[item]:
                del self.have[item], self.often[item]
        return items

    def without(self, item: Item) -> int:
        """How many who count are on the other side, at most the fewest."""
        return min(self.counted - self.often[item], self.fewest)

    def best(self) -> Item | None:
        """What to divide by; None: nothing divides them, or it would leave too few."""
        size, counted, fewest = len(self.people), self.counted, self.fewest
        found: dict[tuple[int, int], list[Item]] = {}
        self.able = [item for item in (self.often if self.able is None else self.able) if self.often[item] >= fewest]
        for item in self.able:
            often = self.often[item]
            without = min(counted - often, fewest)
            if often + without >= 2 * fewest and len(self.have[item]) < size:
                found.setdefault((without, often), []).append(item)
        return max(found[max(found)], key=order) if found else None

    def taken(self, by: Item) -> "_Part":
        """Those who have it, and are no more among these."""
        lack = self.fewest - self.without(by)
        theirs = self.have[by]
        having = [who for who in self.people if who in theirs] if lack else list(theirs)
        stay = [who for who in having if who in self.many][:lack]
        taken = _Part(self.many, self.fewest)
        for who in having:
            taken.add(who, self.remove(who))
        for who in stay:
            self.add(who, taken.remove(who) - {by})
        return taken

    def common(self) -> Items:
        """What all of them have."""
        return frozenset(item for item, who in self.have.items() if len(who) == len(self.people))
