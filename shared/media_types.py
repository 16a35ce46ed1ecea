"""Media types (RFC 9110, 8.3.1), compared as they are meant: in any case, parameters apart."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaType:
    """`Application/JSON; charset="UTF-8"` is `application/json` with the charset `utf-8`."""

    name: str
    charset: str | None

    @property
    def is_json(self) -> bool:
        """Whether what it names is JSON (RFC 6839, 3.1: also whatever ends with `+json`)."""
        return self.name.endswith(("/json", "+json"))

    @property
    def is_in_utf8(self) -> bool:
        """Whether it says so or says nothing; ASCII is UTF-8, too."""
        return self.charset in (None, "utf-8", "utf8", "us-ascii", "ascii")


def media_type(text: str) -> MediaType:
    """The media type that a header or an attribute holds; an odd parameter is passed over."""
    name, *parameters = text.split(";")
    given = (part.partition("=") for part in parameters)
    charsets = [value.strip().strip('"').lower() for key, _, value in given if key.strip().lower() == "charset"]
    return MediaType(name.strip().lower(), charsets[0] if charsets else None)
