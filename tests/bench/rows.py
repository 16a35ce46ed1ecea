"""The rows attack: two employers with equal pools lay the whole rows of 10,000 people side by side.

Whoever's row is the only one of its kind in such a pool is the same person in both, whatever they are called there. What is
measured is how many that are, of all places in all pools: with the rows as the pool asks for them, and with what `rows` leaves of
them; and what recruiters lose by it. The people are invented, by the shares of employment by group and of population by state,
with skills of their trade; the same seed gives the same people.
"""

import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import accumulate

from services.pool_matching.adapters import occupations
from services.pool_matching.decisions import coarse, matches, shown
from services.pool_matching.listing import FEWEST, rows
from services.pool_matching.model import Consent, Person, Pool, Shown
from services.signup.decisions import skills
from shared.contracts.pool_matching import Criteria
from shared.contracts.signup import CoarseProfile, EmploymentType
from shared.facts import Known
from tests.bench.harness import say

PEOPLE, SEED = 10_000, 7
AT = datetime(2026, 11, 28, tzinfo=UTC)
SOC = occupations.load()
GROUPS = {
    "11": 69, "13": 66, "15": 34, "17": 17, "19": 9, "21": 16, "23": 8, "25": 58, "27": 14, "29": 61, "31": 47, "33": 23,
    "35": 88, "37": 29, "39": 20, "41": 88, "43": 122, "45": 3, "47": 41, "49": 39, "51": 58, "53": 91,
}  # fmt: skip
"""Of a thousand who work, by major group of the SOC; rounded."""
STATES = {
    "CA": 395, "TX": 291, "FL": 215, "NY": 202, "PA": 130, "IL": 128, "OH": 118, "GA": 107, "NC": 104, "MI": 101, "NJ": 93,
    "VA": 86, "WA": 77, "AZ": 72, "MA": 70, "TN": 69, "IN": 68, "MD": 62, "MO": 62, "WI": 59, "CO": 58, "MN": 57, "SC": 51,
    "AL": 50, "LA": 47, "KY": 45, "OR": 42, "OK": 40, "CT": 36, "UT": 33, "IA": 32, "NV": 31, "AR": 30, "MS": 30, "KS": 29,
    "NM": 21, "NE": 20, "ID": 18, "WV": 18, "HI": 15, "NH": 14, "ME": 14, "MT": 11, "RI": 11, "DE": 10, "SD": 9, "ND": 8,
    "AK": 7, "DC": 7, "VT": 6, "WY": 6,
}  # fmt: skip
"""Of ten thousand people, by state, as the census of 2020 counted them; a little over, rounded."""
TRADES = (
    "29 31 21",
    "25 21 39",
    "53 45 43",
    "49 51 47",
    "47 37 49",
    "15 17",
    "17 19",
    "35 41 39",
    "43 11 13 23",
    "27",
    "41 33",
)
"""The sections of skills.txt, with the groups whose people have them."""
TYPES: tuple[EmploymentType, ...] = ("full_time", "part_time", "contract", "temporary")


def _sections() -> list[list[str]]:
    found: list[list[str]] = []
    for line in skills._LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("# ") and len(line) < 40:
            found.append([])
        elif found and not line.startswith("#"):
            found[-1] += [word.strip() for word in line.split(",") if word.strip()]
    return found


def _by_rank(lot: random.Random, among: Sequence[str]) -> str:
    """The first is the most common, the second half as common, and so on."""
    return lot.choices(among, cum_weights=list(accumulate(1 / rank for rank in range(1, len(among) + 1))))[0]


@dataclass(frozen=True, slots=True)
class Trades:
    """What people of each major group do and know, the most common first."""

    occupations: Mapping[str, list[str]]
    skills: Mapping[str, list[str]]

    @classmethod
    def drawn(cls, lot: random.Random) -> "Trades":
        """Who knows what is drawn once for everybody."""
        detailed: dict[str, list[str]] = {group: [] for group in GROUPS}
        for entry in SOC.by_code.values():
            if entry.level == "detailed" and entry.code[:2] in detailed:
                detailed[entry.code[:2]].append(entry.code)
        known: dict[str, list[str]] = {group: [] for group in GROUPS}
        for groups, section in zip(TRADES, _sections(), strict=True):
            for group in groups.split():
                known[group] += section
        for among in (*detailed.values(), *known.values()):
            lot.shuffle(among)
        return cls(detailed, known)


def people(number: int = PEOPLE, *, seed: int = SEED) -> tuple[list[Person], Trades]:
    """So many, each as one would be: an occupation or two, a place, what they know."""
    lot = random.Random(seed)  # noqa: S311 (people to attack, no secret)
    trades = Trades.drawn(lot)
    return [_one(lot, trades, f"c{index:06}") for index in range(number)], trades


def _one(lot: random.Random, trades: Trades, name: str) -> Person:
    group = lot.choices(list(GROUPS), weights=list(GROUPS.values()))[0]
    jobs = {_by_rank(lot, trades.occupations[group]) for _ in range(lot.choices((1, 2, 3), weights=(70, 22, 8))[0])}
    known = trades.skills[group]
    has = (
        {_by_rank(lot, known) for _ in range(lot.choices(range(9), weights=(12, 10, 16, 18, 16, 12, 8, 5, 3))[0])}
        if known
        else set()
    )
    wants = {"full_time"} if lot.random() < 0.8 else set()
    wants |= {one for one in TYPES[1:] if lot.random() < 0.12} or {"full_time"}
    profile = CoarseProfile(
        occupations=tuple(sorted(jobs)),
        skills=tuple(sorted(has)),
        years=lot.choices((None, 0, 1, 3, 5, 10, 15, 20), weights=(8, 8, 16, 14, 20, 14, 9, 11))[0],
        state=lot.choices(list(STATES), weights=list(STATES.values()))[0],
        remote=lot.random() < 0.15,
        employment_types=tuple(one for one in TYPES if one in wants),
        pay_floor=lot.choices((None, 20_000, 40_000, 60_000, 80_000, 100_000, 120_000), weights=(35, 8, 20, 16, 11, 6, 4))[0],
        available_from=lot.choices((None, date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1)), weights=(70, 12, 12, 6))[0],
    )  # fmt: skip
    return Person.of(name, Known(profile), Known(Consent(match=True)), SOC)


def pools(trades: Trades) -> Iterator[tuple[str, list[Criteria]]]:
    """What recruiters ask for, from little to all that can be asked; each for the largest groups."""
    most = sorted(GROUPS, key=GROUPS.__getitem__, reverse=True)[:12]
    large = list(STATES)[:6]
    jobs = [trades.occupations[group][0] for group in most]
    yield "an occupation", [Criteria(occupations=(job,)) for job in jobs]
    yield "an occupation in some states", [Criteria(occupations=(job,), states=tuple(large)) for job in jobs]
    usual = [(group, tuple(trades.skills[group][:10])) for group in most if trades.skills[group]]
    yield (
        "a group in some states, one of ten skills, years",
        [
            Criteria(occupations=(f"{group}-0000",), states=tuple(large), skills_any=ten, min_years=1)
            for group, ten in usual
        ],
    )
    yield (
        "all that can be asked",
        [
            Criteria(
                occupations=(f"{group}-0000",), states=tuple(STATES), skills_any=ten, min_years=0, remote=False,
                pay_max=200_000, employment_types=TYPES, available_by=date(2027, 6, 1),
            )
            for group, ten in usual
        ],
    )  # fmt: skip


@dataclass
class Linked:
    """What two who lay their rows side by side find."""

    places: int = 0
    alone: int = 0
    """Whose row nobody else has: found for certain."""
    guessed: float = 0.0
    """Found by a guess among those alike, on average."""
    by_chance: float = 0.0
    """By a guess among all of the list."""
    said: Counter[str] = field(default_factory=Counter)
    """How many values are shown, by field."""

    def add(self, found: Mapping[str, Shown]) -> None:
        """One pool, as both see it."""
        shared = Counter(found.values())
        self.places += len(found)
        self.alone += sum(count == 1 for count in shared.values())
        self.guessed += len(shared)
        self.by_chance += 1
        for row in found.values():
            for name, value in row.model_dump(exclude_none=True).items():
                self.said[name] += len(value) if isinstance(value, tuple) else 1


def attack(found: Sequence[Mapping[str, Shown]]) -> tuple[Linked, Linked]:
    """Without and with what `rows` leaves out, over pools that may be listed at all."""
    whole, left = Linked(), Linked()
    for one in found:
        if len(one) >= FEWEST:
            whole.add(one)
            left.add(rows(one))
    return whole, left


def listed(everybody: Sequence[Person], criteria: Criteria) -> dict[str, Shown]:
    """Who fits, with what the pool asks for."""
    pool = Pool("p", "emp_a", 1, "pool", coarse(criteria))
    return {one.candidate: shown(one, pool.criteria) for one in everybody if matches(one, pool, AT)}


def main(number: int) -> None:
    """Prints the table."""
    everybody, trades = people(number)
    say(f"{number:,} people, seed {SEED}; of all places in the pools of a kind")
    for kind, asked in pools(trades):
        found = [listed(everybody, criteria) for criteria in asked]
        whole, left = attack(found)
        say(
            f"\n{kind}: {sum(len(one) >= FEWEST for one in found)} of {len(found)} pools listed, {whole.places:,} places"
        )
        for name, one in (("whole rows", whole), ("as shown", left)):
            places = max(one.places, 1)
            say(
                f"  {name:10}  linked for certain {one.alone / places:6.1%}   by the best guess {one.guessed / places:6.1%}"
                f"   by chance {one.by_chance / places:5.1%}"
            )
        lost = {name: 1 - left.said[name] / count for name, count in sorted(whole.said.items())}
        total = 1 - left.said.total() / whole.said.total()
        say(
            "  left out    "
            + ", ".join(f"{name} {share:.0%}" for name, share in lost.items())
            + f"; of all {total:.0%}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE)
