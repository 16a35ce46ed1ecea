"""Epoch keys that Vault's transit engine keeps: each under a key of its own there, so that one can be destroyed alone."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx

from services.signup.vault.epochs import KeeperAwayError, KeyGoneError

_WITHIN = httpx.Timeout(5.0, connect=3.0)
_LONGEST_WORDS = 200


class TransitKeeper:
    """`EpochKeeper`: the reference holds the name of Vault's key and the epoch key encrypted under it.

    The token is read from its file each time, so that Vault's agent can renew it.
    """

    def __init__(
        self, address: str, mount: str, token_file: Path, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._address = f"{address}/v1/{mount}"
        self._token_file = token_file
        self._transport = transport

    async def make(self, name: str, key: bytes) -> str:
        """Vault's key of this name, which making again leaves as it is."""
        await self._ask("POST", f"keys/{name}", {"type": "aes256-gcm96"})
        plain = base64.b64encode(key).decode()
        answer = await self._ask("POST", f"encrypt/{name}", {"plaintext": plain})
        return json.dumps({"name": name, "box": answer["data"]["ciphertext"]})

    async def open(self, reference: str) -> bytes:
        """The epoch key, decrypted by Vault; only where Vault says itself that it has no such key is it gone."""
        held = json.loads(reference)
        await self._ask("GET", f"keys/{held['name']}")
        answer = await self._ask("POST", f"decrypt/{held['name']}", {"ciphertext": held["box"]})
        return base64.b64decode(answer["data"]["plaintext"])

    async def destroy(self, reference: str) -> None:
        """Allows its deletion and deletes it: Vault has no way back, but its own backups have."""
        name = json.loads(reference)["name"]
        try:
            await self._ask("GET", f"keys/{name}")
        except KeyGoneError:
            return
        await self._ask("POST", f"keys/{name}/config", {"deletion_allowed": True})
        await self._ask("DELETE", f"keys/{name}")

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            token = self._token_file.read_text().strip()
            async with httpx.AsyncClient(transport=self._transport, timeout=_WITHIN) as http:
                answer = await http.request(
                    method, f"{self._address}/{path}", json=body, headers={"X-Vault-Token": token}
                )
        except (OSError, httpx.HTTPError) as error:
            raise KeeperAwayError(f"Vault does not answer: {type(error).__name__}") from None
        if method == "GET" and answer.status_code == httpx.codes.NOT_FOUND and _is_empty(answer):
            raise KeyGoneError("Vault has no such key")
        if not answer.is_success:  # sealed, standby, no such mount, or a token that ran out: nothing is given up
            raise KeeperAwayError(f"Vault says {answer.status_code}{_words(answer)}")
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found


def _words(answer: httpx.Response) -> str:
    """Vault's own, for who has to put it right: a trimmed version of a key, a token that may not decrypt. It repeats nothing of what was sent."""
    try:
        said = answer.json()["errors"][0]
    except (ValueError, LookupError, TypeError):
        return ""
    return f": {said[:_LONGEST_WORDS]}" if isinstance(said, str) and said.isprintable() else ""


def _is_empty(answer: httpx.Response) -> bool:
    """Whether it is Vault's answer for a key that is not there: no words. Where the engine itself is not there, it has some."""
    try:
        found = answer.json()
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("errors") == []
