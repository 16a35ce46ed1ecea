"""What people signed: the agreements' files, and the numbers in them that every policy has to keep to.

A file is never changed: receipts name its version and hash its bytes. `2026-12-02.toml` is a version, `2026-12-02.es.toml`
the same promises in Spanish. An operator's own lie in a directory beside the shipped ones. All that are found count as
signed, since somebody may have.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

SHIPPED = Path(__file__).parent / "agreements"
_VERSION = re.compile(r"20\d\d-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?")
_LANGUAGE = re.compile(r"[a-z]{2}")
_LIMITS = {"first_contacts", "per_days", "gap_hours", "opens", "closes"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How often and when first contacts may come, as an agreement promises it."""

    first_contacts: int
    """At most so many, over the whole network, in any stretch of `per`."""
    per: timedelta
    gap: timedelta
    """At least so long from one to the next."""
    opens: time
    closes: time
    """On the person's own clock."""


@dataclass(frozen=True, slots=True)
class SignedText:
    """One agreement: `text` is the file to the letter, `sha256` its hash, `parts` what it says."""

    version: str
    """A month or a day, such as `2026-12`: the order of versions is the order of their text."""
    language: str
    """ISO 639-1."""
    text: str
    sha256: str
    limits: Limits
    parts: Mapping[str, Any]
    translations: Mapping[str, "SignedText"] = field(default_factory=lambda: MappingProxyType({}))
    """The same promises in other languages, each a text of its own with its own hash."""


def load(own: Path | None = None) -> dict[str, SignedText]:
    """Every agreement, shipped or in the operator's directory, by version, oldest first, each with its translations.

    ValueError, with the file's name and what to do, when one can't be read or a version has two texts.
    """
    if own is not None and not own.is_dir():
        raise ValueError(f"{own}: expected a directory that this process may read")
    found: dict[str, SignedText] = {}
    translated: dict[str, dict[str, SignedText]] = {}
    for path in [*sorted(SHIPPED.glob("*.toml")), *(sorted(own.glob("*.toml")) if own else ())]:
        text = read(path)
        if path.stem == text.version:
            known = found.setdefault(text.version, text)
        else:
            known = translated.setdefault(text.version, {}).setdefault(text.language, text)
        if known.sha256 != text.sha256:
            raise ValueError(f"{path}: version {text.version} is there with another text; give yours a new version")
    for version, texts in translated.items():
        for text in texts.values():
            _must_promise_the_same(text, found.get(version))
    return {version: replace(text, translations=translated.get(version, {})) for version, text in sorted(found.items())}


def present(agreements: Mapping[str, SignedText], version: str | None = None) -> SignedText:
    """The one that people are shown: this version, or the newest; ValueError when it is not there."""
    if version is None:
        return agreements[max(agreements)]
    if version not in agreements:
        raise ValueError(f"there is no agreement {version}; there are {', '.join(agreements)}")
    return agreements[version]


def read(path: Path) -> SignedText:
    """One file; ValueError, with its name and what to do, when something in it is wrong."""
    try:
        raw = path.read_bytes()
        parts = tomllib.loads(raw.decode("utf-8"))
        version = parts.get("version")
        language = parts.get("language")
        if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
            raise ValueError('`language` must be two letters such as "en"')
        names = (version, f"{version}.{language}")
        if not isinstance(version, str) or not _VERSION.fullmatch(version) or path.stem not in names:
            raise ValueError(
                f"`version` must be a month or a day such as 2026-12, and the file's name {version}.toml"
                f", or {version}.{language}.toml where it is a translation"
            )
        limits = _limits(parts.get("limits"))
    except (OSError, ValueError) as error:  # a TOMLDecodeError and a UnicodeDecodeError are ValueErrors
        raise ValueError(f"{path}: {error}") from error
    return SignedText(version, language, raw.decode("utf-8"), hashlib.sha256(raw).hexdigest(), limits, parts)


def _must_promise_the_same(text: SignedText, original: SignedText | None) -> None:
    """ValueError for a translation of nothing, of its own language, with other numbers, or with other parts."""
    name = f"{text.version}.{text.language}.toml"
    if original is None:
        raise ValueError(f"{name}: it translates {text.version}.toml, which is not there")
    if original.language == text.language:
        raise ValueError(f"{name}: {text.version}.toml is in that language already")
    if original.limits != text.limits:
        raise ValueError(f"{name}: its [limits] must be those of {text.version}.toml")
    if _shape(original.parts) != _shape(text.parts):
        raise ValueError(
            f"{name}: it must have the purposes of {text.version}.toml, and as many points, data and sentences"
        )


def _shape(parts: Mapping[str, Any]) -> object:
    purposes = [
        (one.get("id"), len(one.get("points", ())), len(one.get("data", ()))) for one in parts.get("purposes", ())
    ]
    return purposes, len(parts.get("always", ()))


def _limits(given: object) -> Limits:
    if not isinstance(given, dict) or set(given) != _LIMITS:
        raise ValueError(f"[limits] must hold {', '.join(sorted(_LIMITS))}")
    limits = Limits(
        first_contacts=_whole(given, "first_contacts", 1, 100),
        per=timedelta(days=_whole(given, "per_days", 1, 90)),
        gap=timedelta(hours=_whole(given, "gap_hours", 0, 2160)),
        opens=_moment(given, "opens"),
        closes=_moment(given, "closes"),
    )
    if limits.opens >= limits.closes:
        raise ValueError("[limits]: `opens` must be earlier than `closes`")
    return limits


def _whole(given: Mapping[str, Any], name: str, least: int, most: int) -> int:
    number = given[name]
    if type(number) is not int or not least <= number <= most:
        raise ValueError(f"[limits]: `{name}` must be a whole number from {least} to {most}")
    return number


def _moment(given: Mapping[str, Any], name: str) -> time:
    text = given[name]
    if not isinstance(text, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError(f'[limits]: `{name}` must be a time such as "08:00"')
    return time.fromisoformat(text)
