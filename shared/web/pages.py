"""Pages: Jinja2 templates of a service over the shared base, macros and stylesheet; no script, no other host."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

_HERE = Path(__file__).parent
STYLESHEET = _HERE / "static" / "fairpool.css"
STYLESHEET_PATH = "/static/fairpool.css"


class Pages:
    """The templates in a package's `pages` folder, before the shared ones (`base.html`, `_form.html`, `error.html`).

    A name that a template uses and was not given is an error, not an empty place; every value is escaped.
    """

    def __init__(self, package: str | None = None) -> None:
        loaders: list[BaseLoader] = [PackageLoader(package, "pages")] if package else []
        loaders.append(FileSystemLoader(_HERE / "templates"))
        self.environment = Environment(
            loader=ChoiceLoader(loaders),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.globals["stylesheet"] = STYLESHEET_PATH

    def text(self, template: str, /, **values: Any) -> str:  # noqa: ANN401 - templates take values of any type
        """The rendered template."""
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


def error_page(status: int, title: str, detail: str, *, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """A page that says what went wrong and what to do."""
    return SHARED.render("error.html", status=status, headers=headers, code=status, heading=title, detail=detail)
