"""What tests of reading share: a process whose beats are at whole seconds."""

import pytest

from shared import beats


@pytest.fixture(autouse=True)
def _beats_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "_OURS", 0.0)
