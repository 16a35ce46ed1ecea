"""`--broker docker`: what it starts, and what it says where it can't."""

import asyncio
from pathlib import Path

import pytest
import yaml

from deploy.local import broker, containers
from deploy.local.broker import Broker
from deploy.local.errors import StackError
from deploy.local.home import Home


def test_it_takes_the_servers_that_compose_takes() -> None:
    services = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())["services"]
    assert dict(containers.IMAGES) == {
        "kafka": services["kafka"]["image"],
        "postgres": services["postgres"]["image"],
        "redis": services["valkey"]["image"],
    }


def test_without_an_engine_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(StackError, match=r"expected a Docker engine that answers.*--broker embedded"):
        asyncio.run(broker.part(Broker.DOCKER, Home(tmp_path), 19092, lambda _: None))


def test_a_password_is_no_argument() -> None:
    started = containers.command("postgres", 5432, password="not-for-ps")
    assert "not-for-ps" not in " ".join(started.arguments)
    assert started.environment["POSTGRES_PASSWORD"] == "not-for-ps"
