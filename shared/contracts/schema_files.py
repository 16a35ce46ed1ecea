"""Writes one JSON schema for each event into schemas/, and refuses a change that would break readers of a version."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.contracts.base import Event
from shared.contracts.registry import EVENTS

FOLDER = Path(__file__).parent / "schemas"

Schema = Mapping[str, Any]
_BOUNDS = frozenset({"maximum", "minimum", "maxItems", "maxLength", "pattern"})
_WORDS = frozenset({"title", "description", "default", "examples"})


def schema_of(event: type[Event]) -> dict[str, Any]:
    """What the `data` of this event has to look like: what readers demand, so a field with a default is optional."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": event.TYPE,
        "x-topic": event.TOPIC.name,
        "x-key": event.KEY,
        **event.model_json_schema(mode="validation"),
    }


def path_of(type_: str) -> Path:
    """The checked-in schema of this CloudEvents type."""
    return FOLDER / f"{type_}.json"


def text_of(event: type[Event]) -> str:
    """The schema as it is written to its file."""
    return json.dumps(schema_of(event), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def breaks(old: Schema, new: Schema) -> list[str]:
    """How `new` breaks those who read or write by `old`; empty when it only gains optional fields, and bounds where there
    were none: an owner is believed alone, and never wrote what no reader's columns hold.
    """
    moved = [
        f"{name} was {old.get(name)}, is {new.get(name)}"
        for name in ("x-topic", "x-key")
        if old.get(name) != new.get(name)
    ]
    return moved + list(_differences(old, new, old, new, ""))


def _differences(old: Schema, new: Schema, old_root: Schema, new_root: Schema, at: str) -> Iterator[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in sorted(set(old.get("required", ())) ^ set(new.get("required", ()))):
        yield f"{at}{name} is {'no longer' if name in old.get('required', ()) else 'now'} required"
    for name, field in before.items():
        if name not in after:
            yield f"{at}{name} is gone"
        else:
            yield from _differences(field, after[name], old_root, new_root, f"{at}{name}.")
    for word in sorted(
        (old.keys() | new.keys()) - _WORDS - {"properties", "required", "$defs", "$id", "$schema", "x-topic", "x-key"}
    ):
        yield from _parts_differ(old.get(word), new.get(word), old_root, new_root, at, word)


def _parts_differ(old: object, new: object, old_root: Schema, new_root: Schema, at: str, word: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _differences(old, new, old_root, new_root, at)
    elif word == "anyOf" and isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for one, other in zip(old, new, strict=True):
            yield from _differences(one, other, old_root, new_root, at)
    elif old != new and not (old is None and word in _BOUNDS):
        yield f"{at.rstrip('.') or 'the event'}: {word} was {json.dumps(old)}, is {json.dumps(new)}"


def _resolved(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    found: Schema = root["$defs"][reference.rpartition("/")[2]] if isinstance(reference, str) else schema
    return found


def main() -> int:
    """Writes what differs; 1 when a version would be changed in another way than by optional fields."""
    FOLDER.mkdir(exist_ok=True)
    broken = 0
    for type_, event in EVENTS.items():
        path, text = path_of(type_), text_of(event)
        differences = breaks(json.loads(path.read_text("utf-8")), json.loads(text)) if path.exists() else []
        if differences:
            broken += 1
            sys.stderr.write(
                f"{type_} is a published version and may only gain optional fields: {'; '.join(differences)}. "
                f"Make a new class with the next version instead (or remove {path.name} if it never left this machine).\n"
            )
        elif not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"written: {path.name}\n")
    for path in FOLDER.glob("*.json"):
        if path.stem not in EVENTS:
            path.unlink()
            sys.stdout.write(f"removed: {path.name}, since no event has this type\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
