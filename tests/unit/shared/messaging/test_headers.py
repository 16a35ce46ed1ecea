"""Headers as the outbox keeps them: as text, in which nothing is lost, whatever they hold."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from shared.messaging.unit import headers_from_json, headers_to_json

NAMES = st.sampled_from(["ce_id", "ce_type", "ce_source", "content-type", "traceparent"]) | st.text(max_size=12)
LIKE_ONE = st.sampled_from([b'["ce_id", "x"]', b'"', b"\\", b", ", b"[", b"]", b""])
HEADERS = st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=12) | LIKE_ONE), max_size=6).map(tuple)


@given(HEADERS)
@example((("ce_id", b"x"),))
@example((("ce_specversion", b"1.0"), ("ce_id", b'a"b\\'), ("ce_type", b"t")))
@example((("ce_id", None), ("ce_id", b"second"), ("ce_id", b"third")))
def test_what_was_written_is_read_again_byte_for_byte(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    text = headers_to_json(headers)
    assert headers_from_json(text) == headers
    plain = [[name, None if raw is None else raw.decode("latin-1")] for name, raw in headers]
    assert json.loads(text) == plain, "any version reads it"
