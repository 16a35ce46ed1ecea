"""What may stand on one line of a mail's header: a rule for the edge that lets it in and the courier that writes it."""

import re

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_ENCODED_WORD = re.compile(r"=\?.*?\?=", re.DOTALL)


def why_not_one_line(text: str) -> str | None:
    """What is wrong with the text as one line, in words that follow `must`; None when nothing is.

    An encoded word (RFC 2047) is refused, since a mail library may decode it after it was looked at: a line break in
    it would begin a header of its own. Characters that turn the direction of writing can make a line read as another.
    """
    if _CONTROL.search(text):
        return "be one line, without control characters"
    if _DIRECTION.search(text):
        return "not hold characters that turn the direction of writing"
    if _ENCODED_WORD.search(text):
        return "not hold an encoded word such as =?utf-8?q?...?="
    return None
