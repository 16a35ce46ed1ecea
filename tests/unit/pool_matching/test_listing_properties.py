"""What holds of every listing, whoever comes and goes: rows that nobody is alone with, and changes that nobody is alone in."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from services.pool_matching.listing import (
    FEWEST,
    Changes,
    Closes,
    Fit,
    Listed,
    Opens,
    Outcome,
    Stays,
    at_tick,
    is_shown,
    rows,
)
from services.pool_matching.model import Shown

TODAY = date(2026, 11, 28)
NAMES = [f"c{number:02}" for number in range(24)]


def values(most: int = 3) -> st.SearchStrategy[Shown]:
    """Few values, so that some are shared and some are not."""
    return st.builds(
        Shown,
        skills=st.none()
        | st.lists(st.sampled_from("abcd"), max_size=most, unique=True).map(lambda x: tuple(sorted(x))),
        state=st.none() | st.sampled_from(["CO", "WY"]),
        years=st.none() | st.sampled_from([0, 1, 5]),
        remote=st.none() | st.booleans(),
    )


def fits(min_size: int = 0) -> st.SearchStrategy[dict[str, Fit]]:
    """People by name; most are like many others. Their refs follow from their names and generations."""
    common = st.sampled_from([Shown(state="CO"), Shown(state="CO", skills=("a",)), Shown(state="WY", years=1)])
    of_one = st.tuples(st.one_of(common, common, values()), st.integers(0, 4), st.integers(0, 9))
    return st.dictionaries(st.sampled_from(NAMES), of_one, min_size=min_size).map(
        lambda found: {
            who: Fit(f"m_{who}_{int(generation == 9)}", shown, counts=lot > 0)
            for who, (shown, lot, generation) in found.items()
        }
    )


def items(shown: Shown) -> set[tuple[str, object]]:
    """What a row says, one by one."""
    said = shown.model_dump(exclude_none=True)
    return {(name, one) for name, value in said.items() for one in (value if isinstance(value, tuple) else [value])}


def told(before: Mapping[str, Listed], outcome: Outcome) -> dict[str, Listed]:
    """What the employer is shown after it, of what it was shown before."""
    match outcome:
        case Opens(opened):
            return dict(opened)
        case Closes():
            return {}
        case Stays(blurred):
            return {who: blurred.get(who, one) for who, one in before.items()}
        case Changes(joined, left, changed):
            return {who: one for who, one in before.items() if who not in left} | dict(changed) | dict(joined)


@given(fits())
def test_a_row_shows_only_what_is_true(people: dict[str, Fit]) -> None:
    for who, row in rows({who: fit.shown for who, fit in people.items()}).items():
        assert items(row) <= items(people[who].shown)


@given(fits(), st.sets(st.sampled_from(NAMES)))
def test_no_row_shows_what_fewer_than_five_share(people: dict[str, Fit], counted: set[str]) -> None:
    shown = rows({who: fit.shown for who, fit in people.items()}, counted)
    shared = Counter(row for who, row in shown.items() if who in counted)
    enough = len(counted & people.keys()) >= FEWEST
    for row in shown.values():
        assert shared[row] >= FEWEST or (row == Shown() and not enough)


def test_somebody_of_whom_nothing_is_shown_is_not_alone_with_that() -> None:
    """Else two employers with equal pools both see exactly one such row, and know whose it is."""
    many = {f"c{number}": Shown(state="CO") for number in range(12)}
    shown = rows(many | {"alone": Shown(state="WY")})
    assert Counter(row.state for row in shown.values()) == {"CO": 8, None: 5}
    few = {f"c{number}": Shown(state="CO") for number in range(8)}
    assert set(rows(few | {"alone": Shown(state="WY")}).values()) == {Shown()}


def test_four_whom_the_viewer_introduced_hide_nobody() -> None:
    people = {f"c{number}": Shown(state="WY") for number in range(5)} | {
        f"d{number}": Shown(state="CO") for number in range(20)
    }
    assert rows(people)["c0"].state == "WY"
    assert rows(people, people.keys() - {"c1", "c2", "c3", "c4"})["c0"].state is None


@given(fits(), st.permutations(NAMES))
def test_rows_are_the_same_in_whatever_order_people_come(people: dict[str, Fit], order: list[str]) -> None:
    shown = {who: fit.shown for who, fit in people.items()}
    assert rows({who: shown[who] for who in order if who in shown}) == rows(shown)


@given(fits())
def test_rows_of_rows_are_the_same(people: dict[str, Fit]) -> None:
    once = rows({who: fit.shown for who, fit in people.items()})
    assert rows(once) == once


def opened(people: dict[str, Fit]) -> dict[str, Listed]:
    """The listing as it opens on these people."""
    outcome = at_tick({}, people, is_open=False, is_weekly=False, today=TODAY)
    return told({}, outcome)


HISTORIES = st.tuples(fits(min_size=6), fits(), st.sets(st.sampled_from(NAMES)), st.booleans())


def after(history: tuple[dict[str, Fit], dict[str, Fit], set[str], bool]) -> tuple[dict[str, Listed], Outcome]:
    """What was listed before a tick, some of them marked as gone, and what became of it."""
    first, others, gone, kept = history
    then = opened(first)
    now = {**first, **others} if kept else others
    before = {who: replace(one, left=who in gone) for who, one in then.items()}
    return before, at_tick(before, now, is_open=bool(then), is_weekly=False, today=TODAY)


@given(HISTORIES)
def test_what_is_told_between_weeks_differs_by_five_people_who_count(
    history: tuple[dict[str, Fit], dict[str, Fit], set[str], bool],
) -> None:
    before, outcome = after(history)
    if not isinstance(outcome, Changes):
        return
    seen = {who for who, one in outcome.changed.items() if one.row != before[who].row}
    own = {who for who in seen if outcome.changed[who].fit.shown != before[who].fit.shown}
    came = {who for who, one in outcome.joined.items() if one.fit.counts}
    went = {who for who in outcome.left if before[who].fit.counts}
    assert len({who for who in own if outcome.changed[who].fit.counts}) + len(came) + len(went) >= FEWEST


@given(HISTORIES)
def test_what_is_told_of_the_week_tells_all_there_is(
    history: tuple[dict[str, Fit], dict[str, Fit], set[str], bool],
) -> None:
    first, others, gone, kept = history
    then = opened(first)
    now = {**first, **others} if kept else others
    before = {who: replace(one, left=who in gone) for who, one in then.items()}
    outcome = at_tick(before, now, is_open=bool(then), is_weekly=True, today=TODAY)
    if isinstance(outcome, Changes):
        after_it = told(before, outcome)
        assert after_it.keys() == now.keys()
        assert {who: one.fit for who, one in after_it.items()} == now


@given(fits(min_size=5), st.dictionaries(st.sampled_from(NAMES), st.integers(0, 40)))
def test_what_was_shown_of_somebody_who_stays_is_kept_and_only_more_is_shown(
    people: dict[str, Fit], more: dict[str, int]
) -> None:
    """Else the fields that are shown in turn, taken together, are a row that nobody else has."""
    whole = {who: fit.shown for who, fit in people.items()}
    before = rows(whole)
    alike = sorted(whole)
    new = {f"d{who}": whole[alike[number % len(alike)]] for who, number in more.items()}
    after_it = rows(whole | new, before=before)
    assert all(items(before[who]) <= items(after_it[who]) for who in whole)


def test_who_is_new_is_shown_as_much_as_those_who_are_like_them() -> None:
    before = {f"c{number}": Shown(state="CO", years=5) for number in range(6)} | {
        f"d{number}": Shown() for number in range(6)
    }
    whole = before | {f"d{number}": Shown(remote=number < 2) for number in range(6)}
    shown = rows(whole | {"e1": Shown(state="CO", years=5), "e2": Shown(state="CO")}, before=before)
    assert shown["e1"] == Shown(state="CO", years=5)
    assert shown["e2"] == Shown()


def test_thousands_of_values_are_divided_as_a_few_are() -> None:
    people = {f"c{number:05}": Shown(occupations=(f"{number % 1200}",), state="CO") for number in range(6_000)}
    whole = rows(people | {f"d{number}": Shown(occupations=(f"x{number}",), state="CO") for number in range(1_000)})
    assert all(whole[who] == one for who, one in people.items())
    assert {whole[f"d{number}"] for number in range(1_000)} == {Shown(state="CO")}


def test_each_list_draws_by_its_own_names_who_is_shown_less() -> None:
    people = {who: Shown(state="CO") for who in NAMES[:20]} | {"alone": Shown(state="WY")}
    blank = [
        {who for who, row in rows(people, lots={who: f"{ref}{who}" for who in people}).items() if row == Shown()}
        for ref in ("m_a", "m_b")
    ]
    assert [len(one) for one in blank] == [5, 5]
    assert blank[0] != blank[1]


def test_nobody_is_shown_like_others_in_place_of_what_was_shown_of_them() -> None:
    before = {f"c{number}": Shown(state="CO") for number in range(6)} | {
        f"d{number}": Shown(years=5, remote=False) for number in range(6)
    }
    whole = before | {f"c{number}": Shown(state="CO", years=5, remote=False) for number in range(3)}
    assert rows(whole, before=before)["c0"] == Shown(state="CO")


@given(HISTORIES)
def test_where_nothing_is_told_rows_only_ever_show_less(
    history: tuple[dict[str, Fit], dict[str, Fit], set[str], bool],
) -> None:
    before, outcome = after(history)
    if isinstance(outcome, Stays):
        for who, one in outcome.blurred.items():
            assert items(one.row) <= items(before[who].row)
            assert (one.since, one.fit.shown) == (before[who].since, before[who].fit.shown)


@given(HISTORIES)
def test_after_a_tick_no_row_is_shared_by_fewer_than_five_who_count_and_none_is_listed_below(
    history: tuple[dict[str, Fit], dict[str, Fit], set[str], bool],
) -> None:
    before, outcome = after(history)
    there = {who: one for who, one in told(before, outcome).items() if not one.left}
    if not there:
        return
    shared = Counter(one.row for one in there.values() if one.fit.counts)
    assert is_shown(there.values())
    assert all(shared[one.row] >= FEWEST for one in there.values())


@given(HISTORIES)
def test_whoever_comes_back_under_another_ref_left_under_the_old_one(
    history: tuple[dict[str, Fit], dict[str, Fit], set[str], bool],
) -> None:
    before, outcome = after(history)
    for who, one in told(before, outcome).items():
        if who in before and one.fit.member_ref != before[who].fit.member_ref:
            assert isinstance(outcome, Changes)
            assert who in outcome.left
            assert outcome.joined[who].since == TODAY


def test_a_listing_that_falls_below_five_closes_without_a_name_and_opens_again_with_the_week_alone() -> None:
    people = {who: Fit(f"m_{who}", Shown(state="CO"), counts=True) for who in NAMES[:5]}
    before = {who: replace(one, left=who == NAMES[0]) for who, one in opened(people).items()}
    assert not is_shown(before.values())
    assert at_tick(before, people, is_open=True, is_weekly=False, today=TODAY) == Closes()
    for is_weekly, outcome in ((False, Stays), (True, Opens)):
        became = at_tick({}, people, is_open=False, is_weekly=is_weekly, today=TODAY, closed_before=True)
        assert isinstance(became, outcome)


def test_what_is_not_seen_is_no_difference() -> None:
    """Four whose change no row shows, and one who comes: that would be one alone."""
    people = {who: Fit(f"m_{who}", Shown(state="CO"), counts=True) for who in NAMES[:12]}
    hidden = {who: replace(people[who], shown=Shown(state="CO", skills=(who[-1],))) for who in NAMES[:4]}
    one = {NAMES[20]: Fit("m_new", Shown(state="CO"), counts=True)}
    became = at_tick(opened(people), people | hidden | one, is_open=True, is_weekly=False, today=TODAY)
    assert became == Stays({})


def test_four_whom_the_viewer_introduced_and_one_more_are_not_five_differences() -> None:
    people = {who: Fit(f"m_{who}", Shown(state="CO"), counts=True) for who in NAMES[:12]}
    own = {who: Fit(f"m_{who}", Shown(state="CO"), counts=False) for who in NAMES[12:16]}
    one = {NAMES[20]: Fit("m_new", Shown(state="CO"), counts=True)}
    before = opened(people)
    assert at_tick(before, people | own | one, is_open=True, is_weekly=False, today=TODAY) == Stays({})
    assert isinstance(at_tick(before, people | own | one, is_open=True, is_weekly=True, today=TODAY), Changes)


def test_nobodys_row_shows_more_because_somebody_left() -> None:
    """Some were blank beside the only one from Wyoming: that they are not any more would tell what left."""
    people = {who: Fit(f"m_{who}", Shown(state="CO"), counts=True) for who in NAMES[:12]}
    alone = {NAMES[20]: Fit("m_alone", Shown(state="WY"), counts=True)}
    before = opened(people | alone)
    assert sum(one.row == Shown() for one in before.values()) == FEWEST
    outcome = at_tick(before, people, is_open=True, is_weekly=False, today=TODAY)
    assert isinstance(outcome, Stays)
    after_it = {who: one.row for who, one in told(before, outcome).items() if who in people}
    assert sum(row == Shown() for row in after_it.values()) == FEWEST
    assert all(items(row) <= items(before[who].row) for who, row in after_it.items())


def test_who_is_blank_beside_others_is_drawn_by_lot_and_not_by_who_came_first() -> None:
    people = {who: Shown(state="CO") for who in sorted(NAMES[:20])} | {"alone": Shown(state="WY")}
    drawn = [who for who, row in rows(people).items() if row == Shown() and who != "alone"]
    assert drawn not in (NAMES[:4], NAMES[16:20])
