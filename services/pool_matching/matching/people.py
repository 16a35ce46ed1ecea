"""People as the columns that packed pools are held against. What is done here in Python for each of them is most of what one costs
among few pools, so nothing is called that can be spared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat

import numpy as np

from services.pool_matching.matching.columns import Flags, Lists, Numbers, Vocabulary, once, starts_of
from services.pool_matching.matching.postings import ANY_OCCUPATION, Sizes
from services.pool_matching.matching.words import Steps, Word
from services.pool_matching.model import Consent, Person
from shared.contracts import grants
from shared.contracts.signup import CoarseProfile
from shared.facts import Known

_MOST_LINEAGES = 10_000
"""Of which the tokens are remembered; in some 1 KB each. The SOC has 1,447."""


_Found = tuple[int, Person, CoarseProfile, Consent]


@dataclass(frozen=True, slots=True)
class Batch:
    """Those of some people who can be found at all, a row each."""

    places: Numbers
    """Where they stand among all."""
    words: Word
    states: Numbers
    """One above the number; 0 of who tells none, or one that no pool names."""
    remote: Numbers
    occupations: Lists
    """Tokens of what they let be matched."""
    skills: Lists
    """Numbers of those that pools name."""
    shut_out: Numbers
    """Of who shut out employers: row and employer in one number, `row * employers + employer`; in their order."""
    shuts_out: Flags
    """Who that is."""


class People:
    """Makes columns of people, in the numbers of one packing."""

    def __init__(self, vocabulary: Vocabulary, sizes: Sizes, steps: Steps) -> None:
        self._vocabulary, self._sizes, self._steps = vocabulary, sizes, steps
        self._lineages: dict[frozenset[str], int] = {}
        self._tokens_of: list[list[int]] = []
        self._tokens = Lists.of(self._tokens_of)

    def columns(self, people: Sequence[Person], at: datetime) -> Batch:
        """Of those who can be found at that time."""
        found = _findable(people, at)
        count, sizes = len(found), self._sizes
        profiles, consents = [one[2] for one in found], [one[3] for one in found]
        state_of = self._vocabulary.states.numbers.get
        states = np.fromiter(
            [0 if one.state is None else state_of(one.state, -1) + 1 for one in profiles], np.int64, count
        )
        skills, unasked = [person.skills for _, person, _, _ in found], sizes.skills
        starts = starts_of(np.fromiter(map(len, skills), np.int64, count))
        named = map(self._vocabulary.skills.numbers.get, chain.from_iterable(skills), repeat(unasked))
        numbers = np.fromiter(named, np.int32, int(starts[-1]))
        shut_out = self._shut_out(consents)
        return Batch(
            np.fromiter([one[0] for one in found], np.int64, count),
            self._steps.brought(profiles),
            np.where(states <= sizes.states, states, 0),
            np.fromiter([one.remote for one in profiles], np.int64, count),
            self._occupations(found),
            Lists(starts, numbers).keep(np.flatnonzero(numbers < unasked)),
            np.sort(shut_out),
            np.bincount(shut_out // max(1, sizes.employers), minlength=count).astype(np.bool_),
        )

    def _occupations(self, found: Sequence[_Found]) -> Lists:
        """The tokens of the occupations that are let be matched, and of all they lie in; with that of pools that name none.

        Whoever lets only some sectors be matched is not found by pools that name no occupation.
        """
        sectors = [consent.sectors for _, _, _, consent in found]
        lineages = [
            [one for one in person.lineages.values() if not one.isdisjoint(sectors_of)]
            if sectors_of
            else person.lineages.values()
            for (_, person, _, _), sectors_of in zip(found, sectors, strict=True)
        ]
        groups = self._numbered(list(chain.from_iterable(lineages)))
        tokens = self._tokens.take(groups)
        owners = np.repeat(np.arange(len(found)), np.fromiter(map(len, lineages), np.int64, len(found)))
        anywhere = np.flatnonzero(np.fromiter(map(len, sectors), np.int64, len(found)) == 0)
        each = np.concatenate((np.repeat(owners, tokens.lengths), anywhere))
        values = np.concatenate((tokens.values, np.full(len(anywhere), ANY_OCCUPATION, np.int32)))
        # Several occupations of one person lie in the same groups.
        owners, values = np.divmod(once(each * (self._sizes.occupations + 1) + values), self._sizes.occupations + 1)
        return Lists(starts_of(np.bincount(owners, minlength=len(found))), values.astype(np.int32))

    def _numbered(self, lineages: Sequence[frozenset[str]]) -> Numbers:
        """A number for each, under which `_tokens` has what they lie in."""
        if len(self._lineages) > _MOST_LINEAGES:
            self._lineages, self._tokens_of = {}, []
        known, size = self._lineages, len(self._tokens_of)
        number_of, most = self._vocabulary.occupations.numbers.get, self._sizes.occupations
        for new in set(lineages).difference(known):
            known[new] = len(self._tokens_of)
            self._tokens_of.append([1 + number for code in new if (number := number_of(code, most)) < most])
        if len(self._tokens_of) != size:
            self._tokens = Lists.of(self._tokens_of)
        return np.fromiter(map(known.__getitem__, lineages), np.int64, len(lineages))

    def _shut_out(self, consents: Sequence[Consent]) -> Numbers:
        number_of, most = self._vocabulary.employers.numbers.get, self._sizes.employers
        return np.array(
            [
                row * most + number
                for row, consent in enumerate(consents)
                if consent.blocked_employers
                for employer in consent.blocked_employers
                if (number := number_of(employer, most)) < most
            ],
            np.int64,
        )


def _findable(people: Sequence[Person], at: datetime) -> list[_Found]:
    """Whom `decisions.findable` finds, and where they stand. Of whoever names neither a pause nor an end nothing is asked that costs a call."""
    return [
        (place, person, profile.value, consent)
        for place, person in enumerate(people)
        if isinstance(profile := person.profile, Known)
        and profile.value is not None
        and isinstance(told := person.consent, Known)
        and (consent := told.value).match
        and ((consent.paused_until is None and consent.ends_at is None) or grants.is_in_force(consent, at=at))
    ]
