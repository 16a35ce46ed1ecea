import re
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.ids import event_id, is_candidate_id, new_candidate_id, new_id


def test_an_id_is_its_prefix_and_22_characters_of_base64url() -> None:
    assert re.fullmatch(r"p_[A-Za-z0-9_-]{22}", new_id("p"))


def test_ids_do_not_repeat() -> None:
    assert len({new_id("o") for _ in range(1000)}) == 1000


@pytest.mark.parametrize("prefix", ["", "p_", "P", "1", "é"])
def test_a_prefix_that_would_make_another_kind_of_id_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        new_id(prefix)


def test_candidates_and_events_have_uuids_of_version_7_that_rise() -> None:
    for make in (new_candidate_id, event_id):
        made = [make() for _ in range(100)]
        assert {UUID(one).version for one in made} == {7}
        assert made == sorted(made)


_ID = "01980a3e-7f2b-7c11-8d2e-0123456789ab"


@given(st.uuids().map(str) | st.text(max_size=40) | st.lists(st.sampled_from("0aA-_ \n٣")).map("".join))
@example(_ID)
@example(_ID.upper())
@example(f"{_ID}\n")
@example(f"urn:uuid:{_ID}")
@example(_ID.replace("-", ""))
@example(_ID.replace("0", "٠"))
def test_a_candidates_id_is_a_uuid_as_it_is_written(text: str) -> None:
    try:
        is_one = str(UUID(text)) == text
    except ValueError:
        is_one = False
    assert is_candidate_id(text) == is_one
