"""What slow hashes are made with must not change with the key of the blind index."""

import pytest

from services.signup.settings import Settings
from services.signup.vault.addresses import derived_pepper
from services.signup.vault.hashing import SlowHashes
from shared.roles import Role
from shared.settings import load
from tests.signing import settings_of

OLD, NEW, PEPPER = b"o" * 32, b"n" * 32, b"p" * 32


def settings(**given: object) -> Settings:
    return load(Settings, **_SIGNUP | given)


_SIGNUP: dict[str, object] = {
    **settings_of("signup"),
    "kafka": "k:1",
    "http_port": 0,
    "signup_database": "postgresql://p/s",
    "signup_url": "http://s",
    "consent_url": "http://c",
    "vault_keys": "file:///nowhere",
    "role": Role.WORKER,
}


def test_an_installation_that_sets_none_keeps_its_hashes() -> None:
    found = settings(blind_index_key=OLD)
    assert found.hashes.peppers == SlowHashes(derived_pepper(OLD)).peppers


def test_an_older_key_of_the_index_needs_the_pepper_to_be_pinned(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        settings(blind_index_key=(NEW, OLD))
    assert "FAIRPOOL_INVITATION_PEPPER: is missing" in capsys.readouterr().err
    pinned = settings(blind_index_key=(NEW, OLD), invitation_pepper=derived_pepper(OLD))
    assert pinned.hashes.peppers == SlowHashes(derived_pepper(OLD)).peppers
    assert (
        settings(blind_index_key=NEW, invitation_pepper=(PEPPER, OLD)).hashes.peppers == SlowHashes(PEPPER, OLD).peppers
    )
