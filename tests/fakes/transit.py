"""A stand-in of ours for Vault's transit engine: as much of its HTTP API as the keeper uses, with what its documentation says it answers."""

import base64
import json
import re
from typing import Any

import httpx

from shared.security import boxes

TOKEN = "a-token-of-vault"


class FakeTransit(httpx.AsyncBaseTransport):
    """Answers as Vault would; `is_sealed` and `is_away` play its outages."""

    def __init__(self) -> None:
        self.keys: dict[str, bytes] = {}
        self.deletable: set[str] = set()
        self.is_sealed = self.is_away = self.is_unmounted = self.is_trimmed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_away:
            raise httpx.ConnectError("nobody listens")
        if self.is_unmounted:
            return httpx.Response(404, json={"errors": ["no handler for route"]})
        if self.is_sealed:
            return httpx.Response(503, json={"errors": ["Vault is sealed"]})
        if request.headers.get("X-Vault-Token") != TOKEN:
            return httpx.Response(403, json={"errors": ["permission denied"]})
        found = re.fullmatch(r"/v1/transit/(keys|encrypt|decrypt)/([\w-]+)(/config)?", request.url.path)
        assert found is not None, request.url.path
        body: dict[str, Any] = json.loads(request.content) if request.content else {}
        return self._answer(request.method, found[1] + (found[3] or ""), found[2], body)

    def _answer(self, method: str, act: str, name: str, body: dict[str, Any]) -> httpx.Response:
        if (method, act) == ("POST", "keys"):
            self.keys.setdefault(name, boxes.new_key())
            return httpx.Response(200, json={"data": {"name": name}})
        if name not in self.keys:
            if method == "GET":
                return httpx.Response(404, json={"errors": []})
            return httpx.Response(400, json={"errors": ["encryption key not found"]})
        match method, act:
            case "GET", "keys":
                return httpx.Response(200, json={"data": {"name": name}})
            case "POST", "keys/config":
                if body.get("deletion_allowed") is True:
                    self.deletable.add(name)
                return httpx.Response(204)
            case "DELETE", "keys":
                if name not in self.deletable:
                    return httpx.Response(400, json={"errors": ["deletion is not allowed for this key"]})
                del self.keys[name]
                return httpx.Response(204)
            case "POST", "encrypt":
                box = boxes.seal(self.keys[name], base64.b64decode(body["plaintext"]), context=name)
                return httpx.Response(200, json={"data": {"ciphertext": "vault:v1:" + base64.b64encode(box).decode()}})
            case _ if self.is_trimmed:
                said = "ciphertext or signature version is disallowed by policy (too old)"
                return httpx.Response(400, json={"errors": [said]})
            case _:
                box = base64.b64decode(body["ciphertext"].removeprefix("vault:v1:"))
                plain = boxes.unseal(self.keys[name], box, context=name)
                return httpx.Response(200, json={"data": {"plaintext": base64.b64encode(plain).decode()}})
