"""Phone numbers."""

import phonenumbers

_HOME = "US"


def parse_phone(text: str) -> str:
    """The number as E.164, one of the United States when it names no country; ValueError, without it, when it is none."""
    try:
        number = phonenumbers.parse(text, _HOME)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise ValueError("must be a phone number such as +1 303 555 0100")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
