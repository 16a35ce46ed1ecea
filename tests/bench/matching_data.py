"""Invented people and pools, skewed as a labor market is: a few occupations, states and skills are most of it. The same seed, the same data."""

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

from services.pool_matching.adapters import occupations
from services.pool_matching.decisions import PAY_STEP, YEARS_STEPS, coarse
from services.pool_matching.model import Consent, Occupation, Person, Pool
from shared.contracts.codes import STATES
from shared.contracts.pool_matching import Criteria
from shared.contracts.signup import CoarseProfile, EmploymentType
from shared.facts import Known

AT = datetime(2026, 12, 1, 12, tzinfo=UTC)
SOC = occupations.load()
_ORDER = {code: place for place, code in enumerate(SOC.by_code)}
_DETAILED = [one for one in SOC.by_code.values() if one.level == "detailed"]
_LARGEST = ("CA", "TX", "FL", "NY", "PA", "IL", "OH", "GA", "NC", "MI", "NJ", "VA", "WA", "AZ", "TN", "MA")
"""By people; the rest comes behind them."""
_BY_SIZE = (*_LARGEST, *sorted(set(STATES) - set(_LARGEST)))
_TYPES: tuple[EmploymentType, ...] = ("full_time", "part_time", "contract", "temporary", "internship")
_MONTHS = tuple(date(2026 + month // 12, 1 + month % 12, 1) for month in range(11, 23))
_OWN_SKILLS, _SHARED_SKILLS = 8, 400
_SKILLS_OF_A_GROUP = 25


class _Market:
    """What is common, and how common."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  # invented data, the same each time
        self._occupations = self.random.sample(_DETAILED, len(_DETAILED))
        self._weights = list(itertools.accumulate(1 / (rank + 4) for rank in range(len(_DETAILED))))
        self._states = list(itertools.accumulate(1 / (rank + 2) ** 0.9 for rank in range(len(_BY_SIZE))))
        self._shared = list(itertools.accumulate(1 / (rank + 1) for rank in range(_SHARED_SKILLS)))

    def occupation(self) -> Occupation:
        return self.random.choices(self._occupations, cum_weights=self._weights)[0]

    def state(self) -> str:
        return self.random.choices(_BY_SIZE, cum_weights=self._states)[0]

    def skills(self, of: Occupation, count: int) -> set[str]:
        """Half of them are of the occupation's minor group or of its own, half are everybody's."""
        found: set[str] = set()
        for _ in range(count):
            kind = self.random.random()
            if kind < 0.2:
                found.add(f"{of.code} {int(_OWN_SKILLS * self.random.random() ** 2)}")
            elif kind < 0.6:
                found.add(f"{of.code[:4]} {int(_SKILLS_OF_A_GROUP * self.random.random() ** 2)}")
            else:
                found.add(f"common {self.random.choices(range(_SHARED_SKILLS), cum_weights=self._shared)[0]}")
        return found


def people(count: int, *, seed: int = 1) -> list[Person]:
    """So many, whose consent is in force; one in twenty named sectors, one in thirty shut out employers."""
    market = _Market(7)
    market.random.seed(seed)
    rng, found = market.random, []
    for number in range(count):
        first = market.occupation()
        codes = {first.code, *(market.occupation().code for _ in range(rng.choices((0, 1, 2), (70, 22, 8))[0]))}
        profile = CoarseProfile(
            occupations=tuple(sorted(codes)),
            skills=tuple(sorted(market.skills(first, rng.randint(3, 12)))),
            years=None if rng.random() < 0.1 else rng.choice(YEARS_STEPS),
            state=None if rng.random() < 0.03 else market.state(),
            remote=rng.random() < 0.3,
            employment_types=tuple(sorted(rng.sample(_TYPES, rng.choices((1, 2, 3), (60, 30, 10))[0]))),
            pay_floor=None if rng.random() < 0.3 else PAY_STEP * min(12, int(rng.lognormvariate(1.2, 0.5))),
            available_from=None if rng.random() < 0.5 else rng.choice(_MONTHS),
        )
        consent = Consent(
            match=True,
            sectors=(f"{first.code[:2]}-0000",) if rng.random() < 0.05 else (),
            blocked_employers=tuple(f"emp_{rng.randrange(500)}" for _ in range(3)) if rng.random() < 0.03 else (),
        )
        found.append(Person.of(f"c{number}", Known(profile), Known(consent), SOC))
    return found


def pools(count: int, *, seed: int = 2, first: int = 0) -> Iterator[Pool]:
    """So many, of one employer for each twenty."""
    market = _Market(7)
    market.random.seed(seed)
    rng = market.random
    for number in range(first, first + count):
        occupation = market.occupation()
        wanted = sorted(market.skills(occupation, rng.choices((0, 1, 2, 3, 4), (25, 25, 25, 15, 10))[0]))
        some = rng.randint(0, len(wanted))
        criteria = Criteria(
            occupations=_codes(market, occupation),
            states=() if rng.random() < 0.2 else tuple({market.state() for _ in range(rng.choice((1, 1, 1, 2, 4)))}),
            remote=rng.choices((None, True, False), (60, 25, 15))[0],
            skills_all=tuple(wanted[:some]),
            skills_any=tuple(wanted[some:]),
            skills_any_at_least=rng.choice((None, None, 2)),
            min_years=None if rng.random() < 0.3 else rng.choice(YEARS_STEPS),
            pay_max=None if rng.random() < 0.4 else PAY_STEP * (1 + min(14, int(rng.lognormvariate(1.4, 0.5)))),
            employment_types=() if rng.random() < 0.3 else tuple(rng.sample(_TYPES, rng.choice((1, 1, 2)))),
            available_by=None if rng.random() < 0.6 else rng.choice(_MONTHS),
        )
        employer = f"emp_{number // 20}"
        yield Pool(f"p_{seed}{number:016x}", employer, 1, f"{occupation.title[:20]} {number}", coarse(criteria))


def _codes(market: _Market, occupation: Occupation) -> Sequence[str]:
    """Most name one code in full, some a group, few several or none."""
    kind = market.random.random()
    if kind < 0.04:
        return ()
    if kind < 0.2:
        others = tuple(market.occupation().code for _ in range(market.random.randint(1, 3)))
        return (occupation.code, *others)
    if kind < 0.75:
        return (occupation.code,)
    lineage = sorted(occupation.lineage, key=_ORDER.__getitem__)
    return (lineage[market.random.choices((0, 1, 2), (1, 2, 4))[0]],)
