"""The process behind `fairpool dev --detach`: `python -m deploy.local.background OPTIONS-AS-JSON`."""

import asyncio
import sys
from datetime import UTC, datetime

from deploy.local import stack
from deploy.local.errors import StackError


def main() -> int:
    """Run the stack; its exit code is that of the error that ended it."""
    options = stack.Options.model_validate_json(sys.argv[1])
    try:
        asyncio.run(stack.run(options, _report, lambda _: _report("ready")))
    except StackError as error:
        _report(str(error))
        return error.exit_code
    return 0


def _report(text: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
