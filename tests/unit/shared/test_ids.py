import re
from uuid import UUID

import pytest

from shared.ids import event_id, new_candidate_id, new_id


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
