"""Which pools a person belongs to, and what each pool's employer sees of them."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from itertools import chain
from operator import attrgetter, itemgetter
from typing import TypeVar, assert_never

from services.pool_matching.model import (
    Change,
    Consent,
    KeptPerson,
    Member,
    Person,
    Pool,
    Settled,
    Shown,
    plain_skill,
)
from services.pool_matching.showing import shown_to
from shared.contracts import grants
from shared.contracts.pool_matching import Criteria
from shared.contracts.signup import CoarseProfile
from shared.facts import Fact, Known, Unknown

YEARS_STEPS = (0, 1, 3, 5, 10, 15, 20)
PAY_STEP = 20_000
MOST_POOLS = 4_000
"""Of one person: their list is one event. Its readers take 10,000 entries (`bounds.Many`), but an event has 900,000 bytes
(`envelope.LARGEST`): an entry is 57 bytes, 24 of a pool's id and, in ASCII, 128 at most of an employer's (`bounds.Id`), so 209, and
4,300 of those are the most. What is left is for the rest of the event."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Case:
    """One person held against one pool at one time."""

    person: Person
    profile: CoarseProfile
    consent: Consent
    pool: Pool
    at: datetime

    @property
    def asked(self) -> Criteria:
        """What the pool asks for."""
        return self.pool.criteria


Rule = Callable[[Case], bool]


def match_is_granted(case: Case) -> bool:
    """The person switched matching on, and it is neither paused nor over."""
    return _is_granted(case.consent, case.at)


def employer_is_not_blocked(case: Case) -> bool:
    """The person did not shut this employer out."""
    return not grants.shuts_out(case.consent, case.pool.employer)


def occupation_fits(case: Case) -> bool:
    """An occupation that the person lets be matched lies in what the pool asks for.

    Who named sectors is found only by pools that name an occupation: any other asks in every sector.
    """
    if not case.asked.occupations:
        return not case.consent.sectors
    return bool(_asked_occupations(case.person, case.consent, case.asked))


def state_fits(case: Case) -> bool:
    """The person lives in one of the states."""
    return not case.asked.states or case.profile.state in case.asked.states


def remote_fits(case: Case) -> bool:
    """The person wants to work remotely, or does not, as the pool asks."""
    return case.asked.remote is None or case.profile.remote == case.asked.remote


def all_skills_are_there(case: Case) -> bool:
    """Every skill that must be there is."""
    return case.person.skills.issuperset(case.asked.skills_all)


def enough_skills_are_there(case: Case) -> bool:
    """Of the skills to choose from there are as many as the pool asks for, or one."""
    if not case.asked.skills_any:
        return True
    return sum(skill in case.person.skills for skill in case.asked.skills_any) >= (case.asked.skills_any_at_least or 1)


def years_fit(case: Case) -> bool:
    """The years that the profile shows suffice; a profile without years does not show that they do."""
    least, years = case.asked.min_years, case.profile.years
    return least is None or (years is not None and years >= least)


def pay_fits(case: Case) -> bool:
    """The pool pays what the person asks for; who named no floor has none."""
    most, floor = case.asked.pay_max, case.profile.pay_floor
    return most is None or floor is None or floor <= most


def employment_type_fits(case: Case) -> bool:
    """The person wants one of the pool's kinds of employment."""
    return not case.asked.employment_types or not set(case.asked.employment_types).isdisjoint(
        case.profile.employment_types
    )


def person_is_available(case: Case) -> bool:
    """The person is free by then; who named no date is free now."""
    by, since = case.asked.available_by, case.profile.available_from
    return by is None or since is None or since <= by


RULES: tuple[Rule, ...] = (
    match_is_granted,
    employer_is_not_blocked,
    occupation_fits,
    state_fits,
    remote_fits,
    all_skills_are_there,
    enough_skills_are_there,
    years_fit,
    pay_fits,
    employment_type_fits,
    person_is_available,
)
"""A person is in a pool if and only if both halves of them are known and all of these hold."""


def matches(person: Person, pool: Pool, at: datetime) -> bool:
    """Whether the person belongs to the pool at that time."""
    halves = _halves(person)
    if halves is None:
        return False
    case = Case(person, *halves, pool, at)
    for rule in RULES:  # noqa: SIM110 - of a pool that is new it is asked of everybody, and a generator doubles what it costs
        if not rule(case):
            return False
    return True


def findable(person: Person, at: datetime) -> tuple[CoarseProfile, Consent] | None:
    """Both halves of whoever can be found by some pool at that time; None of everybody else."""
    halves = _halves(person)
    return halves if halves is not None and _is_granted(halves[1], at) else None


def placed(
    before: Iterable[Member], person: Person, pools: Iterable[Pool], at: datetime, *, fits_since: datetime | None = None
) -> Change:
    """How the person's place changes who was in `before` and belongs to exactly these pools.

    Of whom a half has not arrived nothing changes: only who is known not to belong to a pool leaves it. Who withdrew, and came
    again before that was seen here, left and joined: they are somebody new. Whoever joins has belonged since `fits_since`, or since now.
    """
    if isinstance(person.profile, Unknown) or isinstance(person.consent, Unknown):
        return Change()
    halves = _halves(person)
    kept, into, generation = list(before), list(pools), person.generation
    sees = shown_to(into, *halves, person.lineages, person.skills) if halves else []
    then = {member.pool: member for member in kept if member.generation == generation}
    hour, fits_since = to_the_hour(at), fits_since or at
    joined, changed = list[Member](), list[Member]()
    for pool, text in zip(into, sees, strict=True):
        member = then.pop(pool.id, None)
        if member is None:
            joined.append(Member(pool.id, pool.employer, hour, text, generation, fits_since))
        elif text != member.shown:
            changed.append(Member(pool.id, pool.employer, member.since, text, generation, member.fits_since))
    left = tuple([member for member in kept if member.generation != generation or member.pool in then])
    return Change(tuple(joined), left, tuple(changed))


def fits_anew(
    pool: Pool, then: Person, member: Member | None, *, tick: datetime, at: datetime, fitting: Person | None = None
) -> datetime:
    """Since when somebody belongs to a pool that is held against them now: since its employer's last tick, or before, if it
    would have taken in `then`, which is the person as of that tick.

    `fitting` is who is known to belong now. Of all rules the time is asked by one alone: whoever was the same then fitted if it held.
    """
    fitted = findable(then, tick) is not None if then is fitting else matches(then, pool, tick)
    if member is not None and (member.fits_since <= tick) == fitted:
        return member.fits_since
    return tick if fitted else at


def shown(person: Person, criteria: Criteria) -> Shown:
    """The fields that the pool asks for; of lists, what it asks for. For a person that the pool matches.

    It is what `shown_to` is held to, which says it of many pools.
    """
    halves = _halves(person)
    if halves is None:
        return Shown()
    profile, consent = halves
    skills, types = criteria.skills_all + criteria.skills_any, criteria.employment_types
    return Shown(
        occupations=tuple(sorted(_asked_occupations(person, consent, criteria))) if criteria.occupations else None,
        skills=tuple(sorted(person.skills.intersection(skills))) if skills else None,
        years=profile.years if criteria.min_years is not None else None,
        state=profile.state if criteria.states else None,
        remote=profile.remote if criteria.remote is not None else None,
        employment_types=tuple(sorted({*types}.intersection(profile.employment_types))) if types else None,
        pay_floor=profile.pay_floor if criteria.pay_max is not None else None,
        available_from=profile.available_from if criteria.available_by is not None else None,
    )


def settle(known: KeptPerson, change: Change, at: datetime) -> Settled | None:
    """What is to be written for the person; None when all stays as it is.

    Nobody is in more than `MOST_POOLS`: who would be joins none beyond them, in the order of the pools, until they are decided again;
    who is, from before there was this limit, leaves those that they joined last. So what is said of anybody fits an event, and
    leaving always goes through.
    """
    due_at, beyond = next_due(known.person.consent, at), 0
    if len(known.members) + len(change.joined) > MOST_POOLS:
        change, beyond = _told(known.members, change)
    if not (change.joined or change.left or change.changed or beyond) and due_at == known.due_at:
        return None
    gone = {member.pool for member in chain(change.left, change.changed)}
    staying = [member for member in known.members if member.pool not in gone] if gone else known.members
    members = tuple(sorted([*staying, *change.changed, *change.joined], key=itemgetter(0)))  # by pool
    version = known.version + 1 if change.joined or change.left else known.version
    return Settled(known.person.candidate, version, due_at, change, members, known.person.generation, beyond)


def _told(before: Sequence[Member], change: Change) -> tuple[Change, int]:
    """The change that leaves the person in no more than `MOST_POOLS`, and how many pools that keeps them out of."""
    left = {member.pool for member in change.left}
    kept = sorted((member for member in before if member.pool not in left), key=attrgetter("since", "pool"))
    room, gone = max(0, MOST_POOLS - len(kept)), kept[MOST_POOLS:]
    out = {member.pool for member in gone}
    return Change(
        tuple(sorted(change.joined, key=itemgetter(0))[:room]),
        (*change.left, *gone),
        tuple([member for member in change.changed if member.pool not in out]),
    ), max(0, len(change.joined) - room) + len(gone)


def next_due(consent: Fact[Consent], at: datetime) -> datetime | None:
    """The next moment at which a pause or the consent itself ends, where it is known."""
    match consent:
        case Known(Consent(match=True) as granted):
            return grants.changes_at(granted, at=at)
        case Known() | Unknown():
            return None
        case _:
            assert_never(consent)


def coarse(criteria: Criteria) -> Criteria:
    """The criteria in the steps that profiles show, never taking in someone whom the given value would leave out.

    Profiles round years, pay and dates down. So years go up to the next step (at most 20), pay down to a step, a date
    down to its month.
    """
    years, pay, by = criteria.min_years, criteria.pay_max, criteria.available_by
    return criteria.model_copy(
        update={
            "occupations": _once(criteria.occupations),
            "states": _once(criteria.states),
            "skills_all": _once(plain_skill(skill) for skill in criteria.skills_all),
            "skills_any": _once(plain_skill(skill) for skill in criteria.skills_any),
            "skills_any_at_least": (criteria.skills_any_at_least or 1) if criteria.skills_any else None,
            "min_years": None if years is None else years_up(years),
            "pay_max": None if pay is None else pay - pay % PAY_STEP,
            "employment_types": _once(criteria.employment_types),
            "available_by": None if by is None else first_of_month(by),
        }
    )


def asks(criteria: Criteria) -> str:
    """The criteria in one form: those that ask for the same have the same, in whatever order their lists stand."""
    fields = criteria.model_dump(mode="json")
    return json.dumps(
        {name: sorted(set(value)) if isinstance(value, list) else value for name, value in fields.items()},
        sort_keys=True,
    )


def years_up(years: int) -> int:
    """The next step that is not below; 20 for more."""
    return next((step for step in YEARS_STEPS if step >= years), YEARS_STEPS[-1])


def first_of_month(day: date) -> date:
    """The first day of the day's month."""
    return day.replace(day=1)


@lru_cache(maxsize=64)
def to_the_hour(at: datetime) -> datetime:
    """The hour that the moment lies in: finer times would let two employers find out that they see one person."""
    return at.replace(minute=0, second=0, microsecond=0)


def _is_granted(consent: Consent, at: datetime) -> bool:
    return consent.match and grants.is_in_force(consent, at=at)


def _halves(person: Person) -> tuple[CoarseProfile, Consent] | None:
    """What the rules need; None where a half has not arrived, or there is nothing to show."""
    profile, consent = person.profile, person.consent
    if isinstance(profile, Unknown) or isinstance(consent, Unknown) or profile.value is None:
        return None
    return profile.value, consent.value


def _asked_occupations(person: Person, consent: Consent, criteria: Criteria) -> list[str]:
    """Those of the person's occupations that the pool asks for and the person's sectors allow."""
    return [
        code
        for code, lineage in person.lineages.items()
        if not lineage.isdisjoint(criteria.occupations)
        and (not consent.sectors or not lineage.isdisjoint(consent.sectors))
    ]


def _once(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))
