"""Where commands that act as the operator find signup, and how they speak to the services."""

import os
from typing import Any

import httpx

from deploy.local import devfile
from deploy.local.errors import NotRunningError, StackError
from deploy.local.home import Home

_WITHIN = 15.0


class Operator:
    """The services' HTTP routes with the operator's key."""

    def __init__(self, home: Home) -> None:
        """The key and the addresses of FAIRPOOL_OPERATOR_KEY and FAIRPOOL_SIGNUP_URL (and FAIRPOOL_OUTREACH_GATEWAY_URL),
        else those of the running local stack.
        """
        key, signup = os.environ.get("FAIRPOOL_OPERATOR_KEY"), os.environ.get("FAIRPOOL_SIGNUP_URL")
        gateway = os.environ.get("FAIRPOOL_OUTREACH_GATEWAY_URL")
        if not (key and signup):
            try:
                dev = devfile.load(home.dev_file)
            except NotRunningError as error:
                raise NotRunningError(
                    "expected a running stack of `fairpool dev`, or FAIRPOOL_SIGNUP_URL and FAIRPOOL_OPERATOR_KEY in the"
                    " environment, found neither."
                ) from error
            key, signup, gateway = dev.operator.key, dev.services.signup, dev.services.outreach_gateway
        self._key = key
        self.signup = signup.rstrip("/")
        self.gateway = gateway.rstrip("/") if gateway else None

    def ask(self, method: str, url: str, *, json: object = None, params: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - as JSON has it
        """The answer's JSON (none: None); StackError with what the service says when it is not a success."""
        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            with httpx.Client(timeout=_WITHIN, trust_env=False) as client:
                answer = client.request(method, url, headers=headers, json=json, params=params)
        except httpx.HTTPError as error:
            raise StackError(f"expected an answer from {url}, found: {type(error).__name__}.") from error
        if answer.is_success:
            return answer.json() if answer.content else None
        raise StackError(_said(answer))


def _said(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        errors = "; ".join(f"{error['pointer']} {error['detail']}" for error in problem.get("errors", ()))
        return f"{problem['detail']} {errors}".strip()
    except (ValueError, KeyError, TypeError):
        return f"expected success, found the status {answer.status_code}."
