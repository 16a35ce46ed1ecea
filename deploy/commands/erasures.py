"""`fairpool erasures`: which services have yet to confirm that they erased what they kept of an erased person."""

import json
from typing import Any

from deploy.commands.operator import Operator
from deploy.commands.terminal import HomeOption, JsonOption, fails_plainly, out, table
from deploy.local.home import Home

_COLUMNS = ("erased_at", "service", "candidate", "asked", "asked_at", "ask_at")


@fails_plainly
def erasures(home: HomeOption = None, *, as_json: JsonOption = False) -> None:
    """Erasures that a service has not confirmed yet, the oldest first: what it keeps of the person may be there still.

    Each is asked for again, after ten minutes at first and then rarer, at last once a day. Exit code 0 also when some are outstanding.
    """
    operator = Operator(Home.at(home))
    items: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = operator.ask("GET", f"{operator.signup}/v1/erasures", params={"after": after} if after else None)
        items, after = [*items, *page["items"]], page["next"]
    items.sort(key=lambda item: (item["erased_at"], item["service"]))
    if as_json:
        out.print(json.dumps(items))
        return
    rows = [tuple(name.upper().replace("_", " ") for name in _COLUMNS)]
    rows += [tuple(str(item[name]) for name in _COLUMNS) for item in items]
    out.print(table(rows) if items else "none: every service has confirmed every erasure")
