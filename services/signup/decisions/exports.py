"""When a person may take everything along, and what the zip is."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.signup.model.exports import KEPT, MOST_A_DAY, WAITS, Export
from shared.contracts.base import rfc3339
from shared.contracts.signup import ExportReadyV1
from shared.i18n import gettext, marked
from shared.ids import new_id

_DAY = timedelta(days=1)
MANIFEST, README = "manifest.json", "README.txt"
SCHEMA = "fairpool.export.v1"


@dataclass(frozen=True, slots=True)
class Start:
    """A new one is made."""

    export: Export


@dataclass(frozen=True, slots=True)
class UnderWay:
    """One is being made already."""

    export: Export


@dataclass(frozen=True, slots=True)
class Enough:
    """There were as many as a day allows; from then on there is room for another."""

    until: datetime


Asking = Start | UnderWay | Enough


def ask(present: Sequence[Export], *, at: datetime) -> Asking:
    """What comes of asking for one: one at a time, and `MOST_A_DAY` in 24 hours."""
    under_way = next((one for one in present if one.state == "waiting" and at < one.ends_at), None)
    if under_way is not None:
        return UnderWay(under_way)
    today = sorted(one.asked_at for one in present if one.asked_at > at - _DAY)
    if len(today) >= MOST_A_DAY:
        return Enough(today[-MOST_A_DAY] + _DAY)
    return Start(Export(new_id("x"), "waiting", at, at + WAITS))


def ready(candidate: str, *, at: datetime) -> ExportReadyV1:
    """The email that it can be fetched; its id is random, for it stands in the mail."""
    return ExportReadyV1(notice=new_id("n"), candidate=candidate, expires_at=at + KEPT)


def zipped(files: Mapping[str, bytes], *, at: datetime) -> bytes:
    """The files, what they are in plain words of the present language, and a manifest with the SHA-256 and the size of each but itself."""
    whole = {README: _readme(files, at), **files}
    listed = [
        {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in whole.items()
    ]
    manifest = {"schema": SCHEMA, "made_at": rfc3339(at), "files": listed}
    whole[MANIFEST] = (json.dumps(manifest, indent=1) + "\n").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in whole.items():
            archive.writestr(zipfile.ZipInfo(name, at.timetuple()[:6]), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def document(value: Mapping[str, Any]) -> bytes:
    """A file of one object."""
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


_WHAT: Mapping[str, str] = {
    "resume.json": marked(
        "Your profile and who you are, as a JSON Resume (jsonresume.org). Other programs read it, and so does the join"
        " page of a Fairpool."
    ),
    "grants.json": marked("What you allow, and the receipt of each change. It says how to check a receipt without us."),
    "distribution-guidelines.json": marked(
        "To whom your profile may go and to whom not, in the shape of HR Open Standards."
    ),
    "disclosures.json": marked("Who could read what about you, and the pools that you are in."),
    "messages.json": marked(
        "What employers wrote to you, and what came of it. The words are in your mailbox, not here."
    ),
    "provenance.json": marked(
        "What the part that knows you holds, from whom each thing came, why we have it, and for how long."
    ),
}


def _readme(files: Mapping[str, bytes], at: datetime) -> bytes:
    """In the present language."""
    made = gettext(
        "Made on %(day)s at %(time)s UTC. It is a copy: what you change later is not in it.",
        day=f"{at:%Y-%m-%d}",
        time=f"{at:%H:%M}",
    )
    listed = gettext("The size and the SHA-256 of each other file, so that you can see that none was changed.")
    cut = gettext(
        'A list that was too long ends with its oldest entries left out. Its file says "complete": false then. Of what'
        " stands in provenance.json each list has its newest 200."
    )
    lines = [
        gettext("What Fairpool keeps about you"),
        made,
        "",
        gettext(
            "Copies that other parts of Fairpool work with, such as the list of an employer, are not repeated here."
        ),
        gettext("It has your name, email and phone numbers in it. Keep it where nobody else reads it."),
        gettext("The names in the other files are English in every language, for the programs that read them."),
        "",
        *(f"{name}\n    {gettext(_WHAT[name])}" for name in files if name in _WHAT),
        f"{MANIFEST}\n    {listed}",
        "",
        cut,
        "",
    ]
    return "\n".join(lines).encode()
