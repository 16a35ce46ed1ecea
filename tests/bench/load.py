"""`python -m tests.bench.load URL FIRST COUNT CONNECTIONS SECONDS RATE`: posts signed webhooks, each with a candidate id of its own.

RATE 0: as fast as the answers come. It says in JSON how many were accepted, in how many seconds, and how long each took; a
client that costs little, since it shares the machine with what it measures.
"""

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

from tests.bench.harness import say
from tests.integration.signup.test_hooks import payload, signed


def _request(host: str, path: str, number: int) -> bytes:
    mail = {"value": f"person{number}@example.org", "type": "personal"}
    raw = payload(id=number, email_addresses=[mail])
    headers = {**signed(raw, f"e{number}"), "Host": host, "Content-Length": str(len(raw))}
    return (
        f"POST {path} HTTP/1.1\r\n".encode()
        + b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
        + b"\r\n"
        + raw
    )


async def _post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bool:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    return head.startswith(b"HTTP/1.1 200") and b'"accepted"' in body


async def main(url: str, first: int, count: int, connections: int, seconds: float, rate: float) -> None:
    """Until the time is over, or all were posted."""
    where = urlsplit(url)
    requests = [_request(where.netloc, where.path, first + number) for number in range(count)]
    accepted: list[int] = []
    took: list[float] = []
    next_one = iter(range(count))
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    began = time.perf_counter()

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        for number in next_one:
            due = began + number / rate if rate else time.perf_counter()
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            if time.perf_counter() - began > seconds:
                break
            if await _post(reader, writer, requests[number]):
                accepted.append(first + number)
            took.append(time.perf_counter() - due)  # also what it waited for a connection that was free
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    passed = time.perf_counter() - began
    say(json.dumps({"accepted": accepted, "posted": len(took), "seconds": passed, "took": sorted(took)}))


if __name__ == "__main__":
    url, *numbers = sys.argv[1:]
    first, count, connections, seconds, rate = (float(one) for one in numbers)
    asyncio.run(main(url, int(first), int(count), int(connections), seconds, rate))
