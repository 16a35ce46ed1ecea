"""What an employer sees of a pool: a listing that changes at its ticks, and by nothing else than leaving in between.

Pure functions. They say when a listing opens, changes and closes, and what its rows show; who fits a pool is not decided here.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from types import MappingProxyType

from services.pool_matching.dividing import Item, Items, divided, order
from services.pool_matching.model import Shown

FEWEST = 5
"""Fewer people than this are not listed, no row shows a combination that fewer share, and fewer differences wait for the week."""

_NOTHING = Items()


@dataclass(frozen=True, slots=True)
class Fit:
    """Somebody who fits the pool, as of the employer's tick."""

    member_ref: str
    shown: Shown
    """What the pool asks for, before any of it is left out."""
    counts: bool
    """Whether they count toward the fewest: not whom the employer, or a vendor that held its seat, introduced."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Somebody as they are listed."""

    fit: Fit
    """As of the tick at which they were last told."""
    since: date
    """The day on which the employer was first told."""
    row: Shown
    """What is shown of them."""
    left: bool = False
    """Not in the list any more, which the feed has not said yet."""
    renewed_ref: str | None = None
    """What another key made of the same member since: under this they are listed from the next tick on."""


@dataclass(frozen=True, slots=True)
class Opens:
    """All who fit are listed from now on."""

    rows: Mapping[str, Listed]
    """By candidate."""


@dataclass(frozen=True, slots=True)
class Closes:
    """Nobody is listed from now on, and nobody is told who left."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is told: at least five differences, or what little there is once a week."""

    joined: Mapping[str, Listed]
    left: Collection[str]
    changed: Mapping[str, Listed]
    """Of whom something is new; the employer is told of those whose row is another one."""


@dataclass(frozen=True, slots=True)
class Stays:
    """Nothing is told."""

    blurred: Mapping[str, Listed]
    """Whose row has to show less, since some left who shared it, or who count no more."""


Outcome = Opens | Closes | Changes | Stays


def is_shown(listed: Collection[Listed]) -> bool:
    """Whether the listing may be shown: those who are still there and count are not too few."""
    return sum(one.fit.counts and not one.left for one in listed) >= FEWEST


def at_tick(
    listed: Mapping[str, Listed],
    fits: Mapping[str, Fit],
    *,
    is_open: bool,
    is_weekly: bool,
    today: date,
    closed_before: bool = False,
) -> Outcome:
    """What becomes of the listing at this tick; both by candidate, `fits` being all who fit as of the tick.

    Whoever is listed and does not fit any more has left, whether or not they are marked so; who fits under another member ref
    has left under the old one. Only another key makes another ref of who has stayed: such a change tells nothing of anybody, so it
    is told at once and counts as no difference. What was closed, or left by all, opens again with the week alone: the refs would tell who came
    and who went.
    """
    if not is_open or not listed:
        may_open = is_weekly or not (is_open or closed_before)
        return _opened(fits, today) if may_open and _are_enough(fits.values()) else Stays({})
    left = {who for who, one in listed.items() if one.left or not _is_there(one, fits.get(who))}
    stay = listed.keys() - left
    if not _are_enough(fits[who] for who in stay):
        return Closes()
    joined = fits.keys() - stay
    shown = _rows_of({who: fits[who] for who in stay | joined}, {who: listed[who].row for who in stay})
    differ = {who for who in stay if listed[who].fit.shown != fits[who].shown and listed[who].row != shown[who]}
    count = sum(fits[who].counts for who in joined | differ) + sum(listed[who].fit.counts for who in left)
    renewed = {who for who in stay if fits[who].member_ref != listed[who].fit.member_ref}
    if count < FEWEST and not (is_weekly and (joined or left or differ)):
        blurred = _blurred({who: one for who, one in listed.items() if not one.left}, fits, stay)
        return _under_new_refs(listed, fits, renewed, blurred) if renewed else Stays(blurred)
    return Changes(
        joined={who: Listed(fits[who], today, shown[who]) for who in joined}
        | {who: _again(listed[who], fits[who], shown[who]) for who in renewed},
        left=left | renewed,
        changed={
            who: _again(listed[who], fits[who], shown[who])
            for who in stay - renewed
            if fits[who] != listed[who].fit or shown[who] != listed[who].row
        },
    )


def rows(
    shown: Mapping[str, Shown],
    counted: Collection[str] | None = None,
    before: Mapping[str, Shown] = MappingProxyType({}),
    lots: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Shown]:
    """What each row may show: no combination, not even the empty one, that fewer than five of `counted` share (None: of all).

    Whoever was shown so `before` keeps that and is shown more where enough of those who were like them are so too: what was
    shown of somebody over the weeks, taken together, is what is shown of them now. The order of people changes nothing. `lots`
    are names by which it is drawn who is shown less so that others are not alone: each list draws by its own.
    """
    many = shown.keys() if counted is None else shown.keys() & counted
    if len(many) < FEWEST:
        return {who: Shown() for who in shown}
    read = {one: _items(one) for one in {*shown.values(), *before.values()}}
    items = {who: read[one] for who, one in shown.items()}
    then = {who: read[before[who]] for who in items.keys() & before.keys() if read[before[who]] <= items[who]}
    found: dict[str, Items] = {}
    drawn = sorted(items, key=lambda who: sha256(lots.get(who, who).encode()).digest())
    for names in _alike(drawn, items, then, many).values():
        found |= divided({who: items[who] for who in names}, many, fewest=FEWEST)
    row = {one: _shown(one) for one in set(found.values())}
    return {who: row[one] for who, one in found.items()}


def _alike(
    drawn: Iterable[str], items: Mapping[str, Items], then: Mapping[str, Items], many: Collection[str]
) -> dict[Items, list[str]]:
    """Everybody among those of whom the same was shown, if they are enough: who is new, or was left by the others, where most of
    them is shown. None of these groups has fewer than five who count."""
    number = Counter(then[who] for who in then.keys() & many)
    enough = {one for one, count in number.items() if count >= FEWEST}
    homes = sorted(enough, key=_from_the_most)
    groups: dict[Items, list[str]] = {home: [] for home in homes}
    for who in drawn:
        own = then.get(who)
        home = own if own in enough else next((home for home in homes if home <= items[who]), _NOTHING)
        groups.setdefault(home, []).append(who)
    while _NOTHING in groups and (lack := FEWEST - sum(who in many for who in groups[_NOTHING])) > 0:
        largest = max(groups.keys() - {_NOTHING}, key=lambda home: (len(groups[home]), _from_the_most(home)))
        able = [who for who in groups[largest] if who in many]
        if len(able) < FEWEST + lack:
            groups[_NOTHING] += groups.pop(largest)
        else:
            moved = set(able[:lack])
            groups[_NOTHING] += able[:lack]
            groups[largest] = [who for who in groups[largest] if who not in moved]
    return groups


def _from_the_most(home: Items) -> tuple[int, list[tuple[str, str]]]:
    return -len(home), sorted(map(order, home))


def _is_there(listed: Listed, fit: Fit | None) -> bool:
    return fit is not None and fit.member_ref in (listed.fit.member_ref, listed.renewed_ref)


def _under_new_refs(
    listed: Mapping[str, Listed], fits: Mapping[str, Fit], renewed: Collection[str], blurred: Mapping[str, Listed]
) -> Changes:
    """They are told under the refs of now, and nothing else of them or of others is."""
    now = {who: blurred.get(who, listed[who]) for who in renewed}
    return Changes(
        joined={
            who: _again(one, replace(one.fit, member_ref=fits[who].member_ref), one.row) for who, one in now.items()
        },
        left=renewed,
        changed={who: one for who, one in blurred.items() if who not in renewed},
    )


def _are_enough(fits: Iterable[Fit]) -> bool:
    return sum(one.counts for one in fits) >= FEWEST


def _rows_of(fits: Mapping[str, Fit], before: Mapping[str, Shown] = MappingProxyType({})) -> dict[str, Shown]:
    counted = {who for who, fit in fits.items() if fit.counts}
    refs = {who: fit.member_ref for who, fit in fits.items()}
    return rows({who: fit.shown for who, fit in fits.items()}, counted, before, refs)


def _blurred(listed: Mapping[str, Listed], fits: Mapping[str, Fit], stay: Collection[str]) -> dict[str, Listed]:
    """Those whose row has to show less than it does, or of whom it is new whether they count; who left and is not marked so counts no more."""
    then = {who: one.row for who, one in listed.items()}
    refs = {who: one.fit.member_ref for who, one in listed.items()}
    counted = {who for who in listed if who in stay and fits[who].counts}
    shown = rows(then, counted, then, refs)
    return {
        who: _again(one, replace(one.fit, counts=who in counted), shown[who])
        for who, one in listed.items()
        if shown[who] != one.row or (who in counted) != one.fit.counts
    }


def _opened(fits: Mapping[str, Fit], today: date) -> Opens:
    shown = _rows_of(fits)
    return Opens({who: Listed(fit, today, shown[who]) for who, fit in fits.items()})


def _again(listed: Listed, fit: Fit, row: Shown) -> Listed:
    return Listed(fit, listed.since, row)


def _items(shown: Shown) -> Items:
    found: set[Item] = set()
    for name in Shown.model_fields:
        value = getattr(shown, name)
        if isinstance(value, tuple):
            found.update((name, one) for one in value)
        elif value is not None:
            found.add((name, value))
    return frozenset(found)


def _shown(items: Collection[Item]) -> Shown:
    values: dict[str, object] = {}
    for name, value in sorted(items, key=order):
        if name in _SEVERAL:
            values[name] = (*_tuple(values.get(name)), value)
        else:
            values[name] = value
    return Shown.model_validate(values)


_SEVERAL = frozenset({"occupations", "skills", "employment_types"})


def _tuple(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()
