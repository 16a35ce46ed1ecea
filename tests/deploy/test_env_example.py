"""`.env.example` against the settings that the processes really read."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from deploy.local import broker, home, ports
from deploy.local.kafka import jars
from shared.settings import PREFIX, ServiceSettings

ROOT = Path(__file__).parents[2]
MODULES = tuple(
    ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted((ROOT / "services").rglob("settings.py"))
)
DOCUMENTED = set(re.findall(r"^(?:# )?(FAIRPOOL_[A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def _read_by(module: str) -> set[str]:
    found = [
        value
        for value in vars(import_module(module)).values()
        if isinstance(value, type) and issubclass(value, ServiceSettings)
    ]
    return {PREFIX + name.upper() for settings in found for name in settings.model_fields}


@pytest.mark.parametrize("module", MODULES)
def test_every_setting_is_explained(module: str) -> None:
    assert _read_by(module) - DOCUMENTED == set()


def test_nothing_is_explained_that_nobody_reads() -> None:
    read = set().union(*(_read_by(module) for module in MODULES))
    assert DOCUMENTED - read - {broker.ENVIRONMENT, home.ENVIRONMENT, jars.ENVIRONMENT, ports.BASE_ENVIRONMENT} == set()


def test_no_secret_has_a_value() -> None:
    secrets = re.findall(
        r"^FAIRPOOL_\w+_(?:KEY|DATABASE|PASSWORD)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE
    )
    assert len(secrets) == 14
    assert set(secrets) == {""}
