"""The worst addresses and headers that can be sent to any route: of 32 KiB at most, which is all that a connection lets through."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shared.web.http_limits import HttpLimits

SIZE = HttpLimits().head_bytes - 2048
"""What is left beside an honest request's own head."""


@dataclass(frozen=True, slots=True)
class WorstHead:
    """What no honest caller sends: a query that comes behind the route's own, and header lines, which may repeat."""

    what: str
    query: bytes = b""
    lines: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)


def queries(known: tuple[str, ...] = ()) -> Iterator[WorstHead]:
    """Worst queries; `known` are parameters of the route."""
    for what, raw in {
        "one long value": b"a=" + b"x" * SIZE,
        "one long name": b"x" * SIZE,
        "thousands of names": b"&".join(b"p%d=1" % number for number in range(SIZE // 9)),
        "one name again and again": b"&".join([b"a=1"] * (SIZE // 4)),
        "nothing but separators": b"&" * SIZE,
        "escapes alone": b"a=" + b"%22" * (SIZE // 3),
        "escapes that are none": b"a=%zz%&%=%u0041&=%" + b"%" * 1000,
        "escapes of no UTF-8": b"a=%ff%fe%c0%80",
        "bytes of no UTF-8": b"a=\xff\xfe\xc0\x80",
        "NUL": b"a=%00",
        "NUL as it is": b"a=\x00",
        "a lone surrogate": b"a=%ed%a0%80",
        "brackets": b"a[b][c]=1&a[]=1&a[0]=1",
    }.items():
        yield WorstHead(what, raw)
    for name in known:
        key = name.encode()
        yield WorstHead(f"{name} again and again", b"&".join([key + b"=1"] * (SIZE // (len(key) + 3))))
        yield WorstHead(f"a long {name}", key + b"=" + b"1" * (SIZE - 100))
        yield WorstHead(f"{name} of escapes that are none", key + b"=%zz%")
        yield WorstHead(f"{name} of no UTF-8", key + b"=%ff%c0")
        yield WorstHead(f"{name} with a NUL", key + b"=%00")


_NAMES: Mapping[str, bytes] = {
    "cookie": b"a=b; ",
    "accept": b"text/html;q=0.1, ",
    "accept-language": b"en;q=0.1, ",
    "accept-encoding": b"gzip;q=0.1, ",
    "authorization": b"Bearer fp_",
    "baggage": b"a=b,",
    "content-encoding": b"identity,",
    "content-type": b"application/json; a=b; ",
    "idempotency-key": b"k",
    "if-none-match": b'"a", ',
    "last-event-id": b"1",
    "origin": b"http://a.example,",
    "prefer": b"return=minimal, ",
    "range": b"bytes=0-1,",
    "sec-gpc": b"1",
    "traceparent": b"00-",
    "tracestate": b"a=b,",
    "webhook-request-origin": b"a.example,",
    "x-forwarded-for": b"127.0.0.1, ",
    "x-request-id": b"0",
}


def headers() -> Iterator[WorstHead]:
    """Worst headers, each that somebody reads among them."""
    yield WorstHead("a hundred headers", lines=tuple((b"x-%d" % number, b"y" * 200) for number in range(100)))
    yield WorstHead("thousands of headers", lines=tuple((b"x%d" % number, b"") for number in range(SIZE // 8)))
    yield WorstHead("one header again and again", lines=((b"x-a", b"b"),) * (SIZE // 8))
    for name, piece in _NAMES.items():
        key = name.encode()
        yield WorstHead(f"a long {name}", lines=((key, piece * ((SIZE - len(key)) // len(piece))),))
    each = [(name.encode(), piece) for name, piece in _NAMES.items()]
    yield WorstHead("each again and again", lines=tuple(each * (SIZE // 700)))
    yield WorstHead("bytes in each", lines=tuple((key, b"\xff\xc0\x80\x7f" * 20) for key, _ in each))
    yield WorstHead("nothing in each", lines=tuple((key, b"") for key, _ in each))
