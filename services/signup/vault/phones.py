"""Phone numbers."""

import re

import phonenumbers

_HOME = "US"
_PLAIN = re.compile(r"(?:\+1[ .-]?)?(?:\(([2-9][0-9]{2})\)|([2-9][0-9]{2}))[ .-]?([0-9]{3})[ .-]?([0-9]{4})")
"""As nearly all numbers of the United States are written; the library, which makes the same of them, takes ten times as long."""


def parse_phone(text: str) -> str:
    """The number as E.164, one of the United States when it names no country; ValueError, without it, when it is none."""
    if (plain := _PLAIN.fullmatch(text)) is not None:
        return f"+1{plain[1] or plain[2]}{plain[3]}{plain[4]}"
    try:
        number = phonenumbers.parse(text, _HOME)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise ValueError("must be a phone number such as +1 303 555 0100")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
