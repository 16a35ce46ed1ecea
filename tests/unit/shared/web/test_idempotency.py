"""One request has one Idempotency-Key."""

import pytest
from starlette.datastructures import Headers

from shared.web.idempotency import must_be_a_key
from shared.web.problems import Problem


def of(*keys: str) -> Headers:
    """Headers of a request with these keys, in this order."""
    return Headers(raw=[(b"idempotency-key", key.encode()) for key in keys])


@pytest.mark.parametrize("keys", [("one", "two"), ("two", "one"), ("one", "one", "two"), ("one", '"one"'), ("one", "")])
def test_keys_that_differ_are_refused_and_told_what_to_do(keys: tuple[str, ...]) -> None:
    with pytest.raises(Problem) as refused:
        must_be_a_key(keys[0], "pool", of(*keys))
    assert refused.value.status == 400
    assert "send one" in refused.value.detail


@pytest.mark.parametrize("keys", [("one",), ("one", "one"), ('"one"',)])
def test_one_key_is_taken_as_it_is_sent(keys: tuple[str, ...]) -> None:
    assert must_be_a_key(keys[0], "pool", of(*keys)) == keys[0]


@pytest.mark.parametrize("key", [None, "", "a\tb"])
def test_what_is_none_is_refused(key: str | None) -> None:
    with pytest.raises(Problem) as refused:
        must_be_a_key(key, "message", of())
    assert refused.value.status == 400
