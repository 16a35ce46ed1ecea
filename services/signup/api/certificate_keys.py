"""`GET /erased/keys`: the public keys by which certificates of erasure are checked, for people and (RFC 7517) for programs."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.responses import Response

from shared.security import encoding
from shared.security.statements import key_id
from shared.web import forms
from shared.web.pages import Pages
from shared.web.routes import shows_pages

PAGES = Pages("services.signup")


def pages(keys: Sequence[bytes], signup_url: str) -> APIRouter:
    """`keys`: signup's public halves, 32 bytes each; first that which signs now, then those whose certificates hold as well."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)
    told = [{"id": key_id(key).hex(), "key": encoding.encode(key)} for key in keys]
    key_set = {"keys": [_jwk(one["id"], one["key"]) for one in told]}

    @routes.get(
        "/erased/keys",
        summary="The public keys by which certificates of erasure are checked; the first signs now (page or JSON)",
        responses={
            200: {
                "description": "As JSON a set of keys (RFC 7517); `kid` is that of a certificate's header",
                "content": {forms.JSON: {}},
            }
        },
    )
    async def show(request: Request, format: Annotated[str, Query(max_length=20)] = "") -> Response:  # noqa: A002 - the query's own name
        if shows_pages(request.scope) and format != "json":
            return PAGES.render("erased_keys.html", now=told[0], others=told[1:], address=f"{signup_url}/erased/keys")
        name = {"Content-Disposition": 'attachment; filename="certificate-keys.json"'} if format == "json" else {}
        return JSONResponse(key_set, headers=name)

    return routes


def _jwk(name: str, key: str) -> dict[str, Any]:
    return {"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "use": "sig", "kid": name, "x": key}
