"""What the profile page says of what was just done, and of words that are no skill."""

import pytest

from services.signup.api.profile_done import after, done_of
from services.signup.api.profile_forms import why_not_skills
from services.signup.decisions.answering import Accept, Ignore, NotMe

CONSENT = "https://fairpool.example"


@pytest.mark.parametrize(
    ("saved", "says"),
    [
        ("match,contact", "and to write to you"),
        ("match", "Nobody may write to you"),
        ("contact", "nobody can find you, and nobody can write"),
    ],
)
def test_after_an_answer_the_page_says_what_was_saved_with_its_receipt(saved: str, says: str) -> None:
    done = done_of({"saved": saved, "receipt": "r_abc-1"}, consent_url=CONSENT, token="t.t")
    assert done is not None
    assert (done.title, done.receipt) == ("Your answer is saved", f"{CONSENT}/v1/receipts/r_abc-1?token=t.t")
    assert says in done.text


@pytest.mark.parametrize("receipt", ["", "r_", "../../x", "r_a/b", "r_a?b", "https://x"])
def test_an_address_that_was_made_by_somebody_else_leads_to_no_other_page(receipt: str) -> None:
    done = done_of({"saved": "match", "receipt": receipt}, consent_url=CONSENT, token="t.t")
    assert done is not None
    assert done.receipt == ""


@pytest.mark.parametrize("query", [{}, {"saved": ""}, {"saved": "all"}, {"done": "erased"}])
def test_what_no_form_of_ours_leads_to_says_nothing(query: dict[str, str]) -> None:
    assert done_of(query, consent_url=CONSENT, token="t.t") is None


def test_without_the_link_no_address_says_what_somebody_allowed() -> None:
    assert done_of({"saved": "match,contact", "receipt": "r_abc-1"}, consent_url=CONSENT) is None


def test_each_answer_to_what_was_told_is_said_on_the_page_that_follows() -> None:
    for answer, title in ((Ignore(), "Ignored"), (NotMe(), "That record is not you")):
        name, _, value = after(answer).removeprefix("?").partition("=")
        done = done_of({name: value}, consent_url=CONSENT)
        assert done is not None
        assert done.title == title
    assert after(Accept()) == ""


def test_words_that_are_no_skill_are_named_with_what_is_near() -> None:
    assert "“español”, “charm”. Use words" in why_not_skills(["triage", "español", "charm", "charm"])
    assert "Not on our list of skills: “fork lift”. Close to it: forklift." in why_not_skills(["fork lift"])
    assert "Close to it: triage." in why_not_skills(["triaje"])
    assert "Close" not in why_not_skills(["volar"]), "solar is another word"
    assert "“" + "x" * 40 + "…”" in why_not_skills(["x" * 500])
    assert why_not_skills(["Triage"]).startswith("Use words of our list")
