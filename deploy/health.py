"""`python -m deploy.health live|ready`: asks the process in this container how it is, where there is no curl."""

import os
import sys
from http.client import HTTPConnection, HTTPException

_WITHIN_SECONDS = 4.0  # readiness gives each of its checks 2 s


def status(port: int, question: str) -> int:
    """The HTTP status of `/health/QUESTION` on this machine; 0 when nothing answers in time."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_WITHIN_SECONDS)
    try:
        connection.request("GET", f"/health/{question}")
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def main() -> int:
    """0 when the answer is yes, 1 when it is no, 2 when the question or FAIRPOOL_HTTP_PORT is wrong."""
    question, port = "".join(sys.argv[1:]), os.environ.get("FAIRPOOL_HTTP_PORT", "")
    if question not in ("live", "ready") or not port.isdecimal():
        sys.stderr.write("expected `live` or `ready`, and the port of the process in FAIRPOOL_HTTP_PORT\n")
        return 2
    found = status(int(port), question)
    sys.stdout.write(f"{question}: {found or 'no answer'}\n")
    return 0 if found == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
