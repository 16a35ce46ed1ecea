"""Pages: Jinja2 templates of a service over the shared base, macros and stylesheet; no script, no other host."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

from shared import i18n
from shared.i18n import gettext, marked
from shared.imprint import Operator

_HERE = Path(__file__).parent
STYLESHEET = _HERE / "static" / "fairpool.css"
STYLESHEET_PATH = "/static/fairpool.css"


@dataclass(slots=True)
class Imprint:
    """Who runs the network, for the foot of each page; a process serves one network, and says so when it is put together."""

    operator: Operator = field(default_factory=Operator)


IMPRINT = Imprint()


class Pages:
    """The templates in a package's `pages` folder, before the shared ones (`base.html`, `_form.html`, `error.html`).

    A name that a template uses and was not given is an error, not an empty place; every value is escaped.
    """

    def __init__(self, package: str | None = None) -> None:
        loaders: list[BaseLoader] = [PackageLoader(package, "pages")] if package else []
        loaders.append(FileSystemLoader(_HERE / "templates"))
        if package and (there := find_spec(package)) and there.submodule_search_locations:
            i18n.add_catalogs(Path(there.submodule_search_locations[0]) / "locale")
        self.environment = Environment(
            loader=ChoiceLoader(loaders),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        i18n.install(self.environment)
        self.environment.globals.update(stylesheet=STYLESHEET_PATH, imprint=IMPRINT)

    def text(self, template: str, /, **values: Any) -> str:  # noqa: ANN401 - templates take values of any type
        """The rendered template; `errors`, sentences by field, are put into the present language here."""
        if errors := values.get("errors"):
            values["errors"] = {field: gettext(sentence) for field, sentence in errors.items()}
        return self.environment.get_template(template).render(**values)

    def render(
        self,
        template: str,
        /,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,  # noqa: ANN401 - templates take values of any type
    ) -> HTMLResponse:
        """The rendered template as an answer."""
        return HTMLResponse(self.text(template, **values), status, headers)


SHARED = Pages()
"""The pages that every service has."""


_FOR_PEOPLE: Mapping[int, tuple[str, str]] = {
    400: (marked("This could not be read"), marked("What your browser sent could not be read. Go back, reload the page, and try again.")),
    405: (marked("This page can’t be used like that"), marked("Open it from its link, and use the buttons on it.")),
    413: (marked("That is too much at once"), marked("You sent more than this page can take. Go back, shorten what you wrote, and send it again.")),
    415: (marked("This could not be read"), marked("This page takes what its own form sends, and nothing else. Open it from its link, and use the form.")),
    500: (marked("Something went wrong"), marked("The fault is ours, and it was noted. Try again in a minute.")),
}  # fmt: skip
"""In place of words for programs, where a browser shows a page."""


def error_page(
    status: int,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    leads_to: tuple[str, str] | None = None,
) -> HTMLResponse:
    """A page that says what went wrong and what to do, with a button where one `leads_to` that."""
    title, detail = _FOR_PEOPLE.get(status, (title, detail))
    button = (gettext(leads_to[0]), leads_to[1]) if leads_to else None
    values = {"code": status, "heading": gettext(title), "detail": gettext(detail), "leads_to": button}
    return SHARED.render("error.html", status=status, headers=headers, **values)
