"""Where the values of a profile come from, and what a person answers to what is told after they spoke."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.signup.decisions import answering, keeping, provenance
from services.signup.decisions.answering import Accept, Answered, Ignore, NotMe
from services.signup.decisions.keeping import Refused
from services.signup.model.provenance import Origin, ValueOrigin
from services.signup.model.records import Proposal, Proposed
from shared.contracts.signup import CoarseProfile
from tests.fakes.clock import NOON

LATER = NOON + timedelta(hours=1)
KEPT = CoarseProfile(occupations=("29-1141",), years=5, state="CO")


def told(vendor: str = "acme", record: str = "1", *titles: str, **profile: object) -> Proposed:
    origin = Origin(f"evt-{vendor}", "key", NOON)
    return Proposed(
        Proposal("ana", vendor, record, CoarseProfile.model_validate(profile), titles, origin), f"emp_{vendor}", NOON
    )


def offers(*proposed: Proposed) -> list[keeping.Offer]:
    return keeping.offers(
        proposed, lambda title: {"Nurse": ("29-1141", "29-2061"), "Welder": ("51-4121",)}.get(title, ())
    )


def telling(one: Proposed, *others: Proposed, kept: CoarseProfile | None = KEPT) -> answering.Telling:
    return answering.tellings([one, *others], offers(one, *others), kept)[0]


def answer(
    given: answering.Answer, one: Proposed, *others: Proposed, origins: tuple[ValueOrigin, ...] = ()
) -> Answered:
    outcome = answering.decide(given, telling(one, *others), KEPT, origins, offers(one, *others), at=LATER)
    assert isinstance(outcome, Answered)
    return outcome


def test_a_value_that_others_told_is_kept_from_them_and_any_other_is_the_persons_own() -> None:
    found = provenance.after(
        (), KEPT, offers(told(years=5, occupations=("29-1141",)), told("bright", years=5)), at=LATER
    )
    by = {one.field: (one.how, [teller.vendor for teller in one.by]) for one in found}
    assert by == {
        "occupations": ("kept", ["acme"]),
        "years": ("kept", ["acme", "bright"]),
        "state": ("said", []),
    }
    years = next(one for one in found if one.field == "years")
    assert (years.by[0].event_id, years.by[0].proof, years.by[0].employer) == ("evt-acme", "key", "emp_acme")


def test_what_was_known_of_a_value_stays_whoever_tells_it_later() -> None:
    said = provenance.after((), KEPT, (), at=NOON)
    assert provenance.after(said, KEPT, offers(told(years=5)), at=LATER) == said


def test_a_telling_waits_while_it_says_something_that_is_not_shown_and_was_not_answered() -> None:
    same, other, unknown = told(years=5), told("bright", years=10), told("cove", "1", "Happiness wizard")
    found = answering.tellings([same, other, unknown], offers(same, other, unknown), KEPT)
    assert [one.by.proposal.vendor for one in answering.waiting(found, KEPT)] == ["bright"]
    assert answering.waiting(found, None) == []
    answered = replace(other, answered_at=NOON)
    assert answering.waiting(answering.tellings([answered], offers(answered), KEPT), KEPT) == []


def test_to_accept_replaces_what_has_one_value_and_adds_to_lists() -> None:
    after = answer(Accept(), told(years=10, occupations=("51-4121",), state="CO"))
    assert after.profile == KEPT.model_copy(update={"years": 10, "occupations": ("29-1141", "51-4121")})
    assert {(one.field, one.value): one.how for one in after.origins}["years", "10"] == "kept"


def test_to_accept_without_more_words_takes_no_skill_no_unclear_title_and_no_long_list() -> None:
    many = ("29-1141", "29-2061", "35-9021", "51-4121")
    assert answer(Accept(), told(skills=("triage",), years=10)).profile == KEPT.model_copy(update={"years": 10})
    assert answer(Accept(), told("acme", "1", "Nurse")).profile == KEPT
    assert answer(Accept(), told(occupations=many)).profile == KEPT


def test_what_is_named_by_its_id_is_taken_and_nothing_else() -> None:
    one = told(skills=("triage", "icu"), years=10)
    triage = next(offer.id for offer in offers(one) if offer.value == "triage")
    assert answer(Accept((triage,)), one).profile == KEPT.model_copy(update={"skills": ("triage",)})
    refused = answering.decide(Accept((triage, "o_of_another")), telling(one), KEPT, (), offers(one), at=LATER)
    assert refused == Refused({"#/keep/1": "must be the id of a value that this proposal tells"})


def test_to_ignore_changes_nothing() -> None:
    said = provenance.after((), KEPT, (), at=NOON)
    assert answer(Ignore(), told(years=10), origins=said) == Answered(KEPT, said)


def test_not_me_takes_what_this_record_alone_told_and_leaves_the_persons_own_words() -> None:
    mine, other = told(years=5, occupations=("29-1141",)), told("bright", occupations=("29-1141",))
    origins = provenance.after((), KEPT, offers(mine, other), at=NOON)
    after = answer(NotMe(), mine, other, origins=origins)
    assert after.profile == CoarseProfile(occupations=("29-1141",), state="CO"), "years came from it alone"
    assert [[teller.vendor for teller in one.by] for one in after.origins] == [["bright"], []]


def test_not_me_of_a_profile_from_before_origins_were_kept_takes_what_nobody_else_tells() -> None:
    after = answer(NotMe(), told(years=5, state="CO"), told("bright", state="CO"))
    assert after.profile == CoarseProfile(occupations=("29-1141",), state="CO")


@pytest.mark.parametrize("wrong", ["ana@example.org", "ana%40example.org", "", "a b", "x" * 201, "n\x00"])
def test_an_id_that_may_hold_a_persons_email_is_not_kept(wrong: str) -> None:
    assert provenance.kept_id(wrong) is None
    assert provenance.kept_id("a1b2-c3/4:5_6.7") == "a1b2-c3/4:5_6.7"
