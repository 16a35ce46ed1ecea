"""The mail catcher: takes every mail over SMTP, sends none on, shows them over HTTP in Mailpit's shape and as pages."""

import asyncio
import time
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import typer
import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from fastapi.templating import Jinja2Templates

from deploy.local.mailbox import Mail, Mailbox
from deploy.local.ports import HOST

_PAGES = Path(__file__).parent / "pages"
_SHOWN = 100
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
}


class Catcher:
    """Answers each recipient, and the end of each SMTP DATA."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._began: WeakKeyDictionary[Envelope, int] = WeakKeyDictionary()

    async def handle_MAIL(  # noqa: N802  (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Note when its sender came with it."""
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        self._began[envelope] = time.time_ns()
        return "250 OK"

    async def handle_RCPT(  # noqa: N802  (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Yes to everybody but those who were said to have no mailbox."""
        if address.lower() in self._mailbox.gone:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  (aiosmtpd's name)
        """Keep the mail, then acknowledge it."""
        content = envelope.original_content
        if content is None:
            return "554 5.6.0 no content"
        self._mailbox.add(content, began=self._began.get(envelope))
        return "250 2.0.0 caught"


def create_app(mailbox: Mailbox) -> FastAPI:
    """Mailpit's three routes (and one member of its own, `Began`), the inbox page, and one route to play a bounce by."""
    app = FastAPI(title="Fairpool mail catcher", openapi_url=None)
    templates = Jinja2Templates(_PAGES)

    @app.get("/api/v1/messages")
    async def messages(
        start: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=0)] = 50
    ) -> dict[str, Any]:
        shown = [_summary(mail) for mail in islice(mailbox.newest_first(), start, start + limit)]
        return {
            "total": len(mailbox),
            "messages_count": len(mailbox),
            "count": len(shown),
            "start": start,
            "messages": shown,
        }

    @app.get("/api/v1/message/{name}")
    async def message(name: str) -> dict[str, Any]:
        mail = _existing(mailbox, name)
        return _summary(mail) | {"Text": mail.text, "HTML": mail.html}

    @app.get("/api/v1/message/{name}/raw")
    async def raw(name: str) -> Response:
        return PlainTextResponse(_existing(mailbox, name).raw)

    @app.put("/api/v1/gone", status_code=204)
    async def gone(addresses: list[str]) -> Response:
        mailbox.gone = frozenset(address.lower() for address in addresses)
        return Response(status_code=204)

    @app.get("/", response_class=HTMLResponse)
    async def inbox(request: Request) -> Response:
        mails = list(islice(mailbox.newest_first(), _SHOWN))
        return templates.TemplateResponse(
            request, "inbox.html", {"mails": mails, "total": len(mailbox)}, headers=_HEADERS
        )

    @app.get("/mail/{name}", response_class=HTMLResponse)
    async def page(request: Request, name: str) -> Response:
        return templates.TemplateResponse(request, "mail.html", {"mail": _existing(mailbox, name)}, headers=_HEADERS)

    @app.get("/mail.css")
    async def style() -> Response:
        return FileResponse(_PAGES / "mail.css", media_type="text/css")

    return app


async def run(mailbox: Mailbox, *, http_port: int, smtp_port: int) -> None:
    """Catch mails until SIGTERM."""
    loop = asyncio.get_running_loop()
    catcher = Catcher(mailbox)
    smtp = await loop.create_server(
        lambda: SMTP(catcher, enable_SMTPUTF8=True, hostname="mail.fairpool.invalid", loop=loop), HOST, smtp_port
    )
    async with smtp:
        config = uvicorn.Config(
            create_app(mailbox),
            host=HOST,
            port=http_port,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=75,  # longer than clients keep a connection: a request never meets its end
        )
        await uvicorn.Server(config).serve()


def main(
    folder: Annotated[Path, typer.Option(help="Where each mail is kept as a file.")],
    http_port: Annotated[int, typer.Option(help="Port of the API and the inbox.")] = 8025,
    smtp_port: Annotated[int, typer.Option(help="Port that takes emails.")] = 1025,
) -> None:
    """Catch emails on this machine."""
    asyncio.run(run(Mailbox(folder), http_port=http_port, smtp_port=smtp_port))


def _existing(mailbox: Mailbox, name: str) -> Mail:
    mail = mailbox.get(name)
    if mail is None:
        raise HTTPException(404, "expected the id of a caught mail, found none with this id")
    return mail


def _summary(mail: Mail) -> dict[str, Any]:
    senders = _addresses(mail, "From")
    return {
        "ID": mail.id,
        "MessageID": mail.message_id,
        "Subject": mail.subject,
        "From": senders[0] if senders else None,
        "To": _addresses(mail, "To"),
        "Created": mail.arrived.isoformat().replace("+00:00", "Z"),
        "Began": mail.began and mail.began.isoformat().replace("+00:00", "Z"),
        "Size": len(mail.raw),
    }


def _addresses(mail: Mail, header: str) -> list[dict[str, str]]:
    return [{"Name": name, "Address": address} for name, address in mail.addresses(header)]


if __name__ == "__main__":
    typer.run(main)
