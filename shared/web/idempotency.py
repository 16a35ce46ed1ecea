"""`Idempotency-Key`: a request that may be sent again, since whoever sent it doesn't know whether it came."""

import json

from starlette.datastructures import Headers

from shared.web.problems import Problem, kind, malformed

LONGEST = 255
AS_SENT = "It is compared as it is sent: one in quotes is another than the same without them."
"""Of the header, for its description."""


def must_be_a_key(given: str | None, what: str, headers: Headers) -> str:
    """The key as it was given; a 400 where it is none, or where these headers have two that differ."""
    if len(set(headers.getlist("Idempotency-Key"))) > 1:
        raise malformed(
            f"There are several Idempotency-Key headers that differ: send one, of your own for this {what}."
        )
    if not given or not given.isprintable():
        raise malformed(
            f"Send an Idempotency-Key header: a value of your own for this {what}, up to {LONGEST} characters."
        )
    return given


def canonical(sent: object) -> bytes:
    """Of what was sent, not of how it is read: no later rule can make the same request another one."""
    try:
        return json.dumps(sent, sort_keys=True, separators=(",", ":")).encode()
    except RecursionError:
        raise malformed("The JSON is nested too deep.") from None


def used_for_another(what: str) -> Problem:
    """A 422: the key is known, with another body."""
    return Problem(
        422,
        f"Idempotency-Key used for another {what}",
        f"This key came before with another body. Use a new key for a new {what}, or send the first body again.",
        type=kind("idempotency-key-reused"),
    )
