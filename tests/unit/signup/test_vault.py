"""What is sealed opens only for whom and with what it was sealed."""

from dataclasses import replace
from datetime import date

import pytest

from services.signup.vault.epochs import Epochs
from services.signup.vault.intake import open_told, seal_told, unwrap_day_key, wrap_day_key
from services.signup.vault.phones import parse_phone
from services.signup.vault.sealing import Identity, open_identity, open_key_pair, seal_identity
from shared.security.boxes import CannotOpenError, new_key
from shared.security.words import KeyPair

KEY = bytes(range(32))
EPOCHS = Epochs({1: KEY})
ANA = Identity("Ana.Ruiz@example.org", "Ana", "Ruiz-Castellano", ("+13035550100",))


def test_an_identity_and_its_key_pair_come_back() -> None:
    pair = KeyPair.generate()
    row = seal_identity("c1", ANA, pair, EPOCHS)
    assert open_identity(row, EPOCHS) == ANA
    assert open_key_pair(row, EPOCHS) == pair


def test_nothing_of_the_person_is_in_the_row() -> None:
    row = repr(seal_identity("c1", ANA, KeyPair.generate(), EPOCHS))
    assert not any(word in row for word in ("Ana", "Ruiz", "example.org", "3035550100"))


@pytest.mark.parametrize("change", [{"candidate": "c2"}, {"version": 2}])
def test_a_row_that_was_moved_does_not_open(change: dict[str, object]) -> None:
    row = replace(seal_identity("c1", ANA, KeyPair.generate(), EPOCHS), **change)  # type: ignore[arg-type]  # the changes are of the right types
    with pytest.raises(CannotOpenError):
        open_identity(row, EPOCHS)
    with pytest.raises(CannotOpenError):
        open_key_pair(row, EPOCHS)


def test_fields_can_not_be_exchanged() -> None:
    row = seal_identity("c1", ANA, KeyPair.generate(), EPOCHS)
    with pytest.raises(CannotOpenError):
        open_identity(replace(row, identity=row.private_key), EPOCHS)


def test_another_vault_key_opens_nothing() -> None:
    with pytest.raises(CannotOpenError):
        open_identity(seal_identity("c1", ANA, KeyPair.generate(), EPOCHS), Epochs({1: new_key()}))


def test_an_identity_shows_nothing_of_itself() -> None:
    assert "Ana" not in f"{ANA} {ANA!r}"


def test_what_was_told_opens_for_its_record_only() -> None:
    sealed = seal_told(KEY, b"told", vendor="acme", record="1")
    assert open_told(KEY, sealed, vendor="acme", record="1") == b"told"
    with pytest.raises(CannotOpenError):
        open_told(KEY, sealed, vendor="acme", record="2")


def test_a_days_key_is_of_its_day() -> None:
    box = wrap_day_key(EPOCHS, 1, new_key(), date(2026, 11, 22))
    with pytest.raises(CannotOpenError):
        unwrap_day_key(EPOCHS, 1, box, date(2026, 11, 23))


@pytest.mark.parametrize("text", ["+1 303 555 0100", "(303) 555-0100", "3035550100"])
def test_a_phone_number_is_written_in_one_way(text: str) -> None:
    assert parse_phone(text) == "+13035550100"


@pytest.mark.parametrize("text", ["", "call me", "123", "+99 1"])
def test_what_is_no_phone_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a phone number"):
        parse_phone(text)
