"""Headers as others may write them."""


class NotUtf8(str):
    """A header's name whose bytes are not UTF-8; of aiokafka's builders, the Python one asks the name itself for them."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Two bytes that no UTF-8 has, then the name."""
        return b"\xff\xfe" + super().encode(encoding, errors)
