"""What a tenant is answered of whose unknown records too much is kept."""

from shared.web.problems import Problem, kind


def too_many_unknown() -> Problem:
    """A 429; the same whether this record is known or not, since that is not looked at."""
    detail = (
        "Too much was told within a day of records that were never signed up, and it is kept until they are. Nothing of this"
        " was taken. Send the same again in an hour; sign records up before you tell of their changes."
    )
    headers = {"Retry-After": "3600"}
    return Problem(429, "Too many unknown records", detail, type=kind("too-many-unknown-records"), headers=headers)
