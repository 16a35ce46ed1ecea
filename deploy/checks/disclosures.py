"""Recounts who was shown to employers: each of them was noted as disclosed before."""

from collections import defaultdict
from collections.abc import Iterator

from deploy.checks.history import History
from deploy.checks.policy import PolicyWindows
from deploy.checks.violation import Violation

_NAME = "noted before it is shown"


def whoever_was_shown_was_noted_before(history: History, _: PolicyWindows) -> Iterator[Violation]:
    """Each row that an employer read is of somebody of whom these fields, in this pool, were noted by then."""
    noted = defaultdict(list)
    for one in history.disclosures:
        noted[one.candidate, one.employer, one.pool].append(one)
    for row in history.shown:
        before = [one for one in noted[row.candidate, row.employer, row.pool] if one.at <= row.at]
        if not before:
            yield Violation(_NAME, row.candidate, f"{row.employer} was shown them in {row.pool}, and nothing was noted")
        elif missing := row.fields - {field for one in before for field in one.fields}:
            yield Violation(_NAME, row.candidate, f"{row.employer} was shown {', '.join(sorted(missing))} besides")
