import gc
from collections.abc import Iterator

import pytest

from shared.lifetime import keep_what_is_there


@pytest.fixture
def collector() -> Iterator[None]:
    """As it was, afterwards."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_what_a_process_has_when_it_has_started_is_not_looked_through_again() -> None:
    stays = [object()]
    keep_what_is_there()
    assert gc.get_freeze_count() > 0
    assert not any(one is stays for one in gc.get_objects())


@pytest.mark.usefixtures("collector")
def test_what_is_made_later_is_still_collected() -> None:
    keep_what_is_there()

    class Circle:
        def __init__(self) -> None:
            self.own = self

    made = Circle()
    found = [one for one in gc.get_objects() if one is made]
    assert found
    del made, found
    assert gc.collect() > 0
