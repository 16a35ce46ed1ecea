"""The field `email` of the join and the sign-in page, and what is wrong with one in words."""

from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, model_validator

from services.signup.vault.addresses import parse_mail
from shared.i18n import marked
from shared.web.forms import Posted
from shared.web.types import RequestModel

M = TypeVar("M", bound=BaseModel)

ENTER_EMAIL = marked("Enter your email, such as name@example.org")
_WHY = (
    marked("Your email must not hold an invisible character: type the email instead of pasting it"),
    marked("Your email must have only the letters a to z, digits and common signs before the @"),
)
"""What `with_why` puts together."""


class EmailModel(RequestModel):
    """A request with an `email`, which older programs call `mail`."""

    @model_validator(mode="before")
    @classmethod
    def _by_its_old_name(cls, value: Any) -> Any:  # noqa: ANN401 - before validation it may be anything
        if isinstance(value, dict) and "mail" in value and "email" not in value:
            return {("email" if name == "mail" else name): given for name, given in value.items()}
        return value


def with_why(posted: Posted[M]) -> Posted[M]:
    """The same with the reason for which an email is none that can be written to, where it is more than a slip."""
    typed = posted.given.get("email") or posted.given.get("mail")
    if "email" not in posted.errors or not isinstance(typed, str):
        return posted
    try:
        parse_mail(typed)
    except ValueError as wrong:
        why = str(wrong)
        if not why.startswith("must be an email"):
            return replace(posted, errors={**posted.errors, "email": f"Your email {why}"})
    return posted
