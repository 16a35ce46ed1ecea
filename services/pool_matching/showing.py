"""What the employers of many pools see of one person, as it is stored and compared: JSON, put together of parts that are made once."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring as text

from services.pool_matching.model import Consent, Pool, Shown
from shared.contracts.signup import CoarseProfile


def shown_to(
    pools: Iterable[Pool],
    profile: CoarseProfile,
    consent: Consent,
    lineages: Mapping[str, frozenset[str]],
    skills: frozenset[str],
) -> list[str]:
    """For each of the pools, all of which the person matches, what `as_json(decisions.shown(...))` says; a property holds it to that.

    Of ten pools that somebody is in most ask for the same fields, and find the same of their occupations and skills.
    """
    sectors, offered, found = consent.sectors, profile.employment_types, list[str]()
    codes = sorted(lineages)
    open_to = [(code, lineages[code]) for code in codes if not sectors or not lineages[code].isdisjoint(sectors)]
    # Whoever matches a pool that names occupations has one of them: of a single one nothing is looked up.
    only = _list("occupations", (open_to[0][0],)) if len(open_to) == 1 else None
    first, last = dict[int, str](), dict[int, str]()
    for pool in pools:
        sees = pool.sees
        parts = []
        if (asked := sees.occupations) is not None:
            parts.append(
                only or _list("occupations", tuple([code for code, of in open_to if not of.isdisjoint(asked)]))
            )
        if (asked := sees.skills) is not None:
            parts.append(_list("skills", tuple(sorted(skills.intersection(asked)))))
        fields = sees.fields
        if (part := first.get(fields)) is None:
            part = first[fields] = _first(profile, fields)
        if part:
            parts.append(part)
        if (asked := sees.types) is not None:
            parts.append(_list("employment_types", tuple(sorted(asked.intersection(offered)))))
        if (part := last.get(fields)) is None:
            part = last[fields] = _last(profile, fields)
        if part:
            parts.append(part)
        found.append(f"{{{','.join(parts)}}}")
    return found


def as_json(shown: Shown) -> str:
    """The one form in which it is kept: what is not shown is not there."""
    return shown.model_dump_json(exclude_none=True)


@lru_cache(maxsize=20_000)
def in_one_form(stored: str) -> str:
    """The same of a row as PostgreSQL gives it back, which orders and spaces `jsonb` in its own way."""
    return as_json(Shown.model_validate_json(stored))


@lru_cache(maxsize=20_000)
def _list(name: str, values: Sequence[str]) -> str:
    return f'"{name}":[{",".join(map(text, values))}]'


def _first(profile: CoarseProfile, fields: int) -> str:
    """Of the fields before the kinds of employment those that are asked for, where the profile tells them."""
    parts = []
    if fields & 1 and profile.years is not None:
        parts.append(f'"years":{profile.years}')
    if fields & 2 and profile.state is not None:
        parts.append(f'"state":{text(profile.state)}')
    if fields & 4:
        parts.append(f'"remote":{"true" if profile.remote else "false"}')
    return ",".join(parts)


def _last(profile: CoarseProfile, fields: int) -> str:
    """Of those behind them."""
    parts = []
    if fields & 8 and profile.pay_floor is not None:
        parts.append(f'"pay_floor":{profile.pay_floor}')
    if fields & 16 and profile.available_from is not None:
        parts.append(f'"available_from":"{profile.available_from.isoformat()}"')
    return ",".join(parts)
