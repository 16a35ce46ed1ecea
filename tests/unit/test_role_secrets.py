"""Secrets that are only for some roles: demanded by those, forgotten by the others."""

from typing import Any

import pytest

from services.consent.settings import Settings
from shared.roles import Role
from shared.settings import load
from tests.signing import settings_of

_GIVEN: dict[str, Any] = {
    "kafka": "127.0.0.1:1", "http_port": 0, "consent_database": "postgresql://consent@127.0.0.1/consent",
    "signup_url": "http://127.0.0.1:1", "consent_url": "http://127.0.0.1:2", **settings_of("consent"),
}  # fmt: skip
_LINKS = {"link_verify_key": b"v" * 32, "link_subject_key": b"s" * 64}


@pytest.mark.parametrize("role", [Role.ALL, Role.EDGE, Role.PAGES])
def test_a_role_that_needs_a_secret_does_not_start_without_it(role: Role, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(Settings, **_GIVEN, role=role)
    assert f"FAIRPOOL_LINK_VERIFY_KEY: is missing, because FAIRPOOL_ROLE is {role}" in capsys.readouterr().err
    kept = load(Settings, **_GIVEN, **_LINKS, role=role)
    assert kept.link_verify_key == (b"v" * 32,)
    assert "vvvv" not in repr(kept)


def test_a_role_that_does_not_need_it_starts_without_it_and_forgets_it_if_it_is_told() -> None:
    assert load(Settings, **_GIVEN, role=Role.WORKER).link_verify_key is None
    assert load(Settings, **_GIVEN, **_LINKS, role=Role.WORKER).link_verify_key is None
    with pytest.raises(RuntimeError, match="worker reads no links"):
        _ = load(Settings, **_GIVEN, role=Role.WORKER).links
