"""Attacks on lists, as somebody with the time for it would try them: who links people, or names them, does no better than chance."""

import random

from services.pool_matching.listing import FEWEST, rows
from services.pool_matching.model import Shown
from services.signup.decisions.skills import known_skills
from shared.security.member_refs import MemberRefs
from tests.bench import arrivals
from tests.bench.rows import attack, listed, people, pools

RATE = 3
"""So many come a day."""


def test_days_of_arrival_link_hardly_anybody() -> None:
    """As it was once, all of them; with snapshots and weekdays of each employer's own, several times as many."""
    found = {name: arrivals.attack(how, RATE, seeds=2, with_rows=False) for name, how in arrivals.TELLERS.items()}
    at_once, its_own, as_it_is = found.values()
    assert at_once.certain > 0.9
    assert as_it_is.certain <= 0.02
    assert as_it_is.guess < its_own.guess


def test_whole_rows_name_nobody_for_certain_and_one_of_five_at_best() -> None:
    """Of people as people are, in pools that ask for all that can be asked; as they came, nearly all."""
    everybody, trades = people(1_000)
    asked = dict(pools(trades))["all that can be asked"]
    whole, left = attack([listed(everybody, criteria) for criteria in asked])
    assert whole.alone > 0.9 * whole.places
    assert left.alone == 0
    assert left.guessed <= left.places / FEWEST


def test_a_mark_in_the_skills_names_nobody() -> None:
    """A binary number for each address, kept as it was told, and a pool that asks for each of its digits; then a pool for each
    pair of digits."""
    lot = random.Random(1)  # noqa: S311 (an attack, no secret)
    skills = sorted(known_skills())[:10]
    marks = {f"c{number}": code for number, code in enumerate(lot.sample(range(1024), 60))}

    def seen(digits: range) -> dict[str, Shown]:
        told = {
            who: Shown(skills=tuple(skills[digit] for digit in digits if code >> digit & 1))
            for who, code in marks.items()
        }
        return rows({who: one for who, one in told.items() if one.skills})

    shown = seen(range(10))
    assert len(set(shown.values())) <= len(shown) / FEWEST
    refs = MemberRefs(b"r" * 64)
    in_pools = [
        {refs.make(CANDIDATES[who], "emp_a", f"p{first}", 0): row for who, row in seen(range(first, first + 2)).items()}
        for first in range(0, 10, 2)
    ]
    assert len({ref for pool in in_pools for ref in pool}) == sum(map(len, in_pools))
    assert all(len(set(pool.values())) <= len(pool) / FEWEST for pool in in_pools)


CANDIDATES = {f"c{number}": f"01890000-0000-7000-8000-{number:012x}" for number in range(60)}
