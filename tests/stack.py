"""Real servers, and the whole stack, for tests: free ports, a home of their own, nothing left behind."""

import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local import broker, devfile, endpoints, holds, launch, postgres, state
from deploy.local.broker import Broker
from deploy.local.devfile import DevFile
from deploy.local.endpoints import Endpoints
from deploy.local.home import Home
from deploy.local.ports import Ports
from deploy.local.processes import Identity
from deploy.local.secrets import read
from deploy.local.stack import Options
from deploy.local.state import PartPhase, PartState


class _Background:
    """A supervised stack in the background; it ends with this process, however that ends."""

    _services: bool

    def __init__(self, kind: Broker | None = None, *, replicas: Mapping[str, int] | None = None) -> None:
        self.broker = kind or broker.named()
        self._replicas = dict(replicas or {})
        self.home = Home(Path(tempfile.mkdtemp(prefix="fairpool-test-")))
        self.home.root.chmod(0o755)  # PostgreSQL runs as another user when the tests run as root
        self.ports = Ports.free()
        self._background: launch.Background | None = None

    def start(self) -> Self:
        """Return when everything is ready; raises a StackError that says what is not."""
        options = Options(
            home=self.home.root,
            ports=self.ports,
            broker=self.broker,
            services=self._services,
            replicas=self._replicas,
            ends_with_caller=True,
        )
        self._background = launch.start(options)
        return self

    def stop(self) -> None:
        """Stop everything and remove the home."""
        launch.stop(self.home)
        if self._background:
            self._background.process.communicate()
        postgres.forget(self.home)
        shutil.rmtree(self.home.root)

    def parts(self) -> tuple[PartState, ...]:
        """What the supervisor knows of every part."""
        found = state.read(self.home)
        return found.parts if found else ()

    def part(self, name: str) -> PartState:
        """What the supervisor knows of a part: signup, courier, kafka, postgres, redis, ..."""
        return next(part for part in self.parts() if part.name == name)

    def pid_of(self, name: str) -> int:
        """The pid of a part's present process."""
        return self._process(name).pid

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a part; the supervisor restarts what ends."""
        self._process(name).send(number)

    @contextmanager
    def held_down(self, name: str) -> Iterator[None]:
        """SIGKILL a part; the supervisor starts it again only after the block."""
        holds.take(self.home, name)
        try:
            self.kill(name)
            yield
        finally:
            holds.release(self.home, name)

    def is_ready(self, name: str) -> bool:
        """Whether a part runs and has answered since its last start."""
        part = self.part(name)
        return part.phase is PartPhase.READY and part.process is not None and part.process.alive()

    def log(self, name: str) -> str:
        """What a part has written so far."""
        return self.home.log_of(name).read_text(errors="replace")

    def _process(self, name: str) -> Identity:
        process = self.part(name).process
        assert process is not None, f"{name} has never been started"
        return process

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Stack(_Background):
    """The whole product: servers, services and the courier."""

    _services = True

    @property
    def dev(self) -> DevFile:
        """Addresses and keys."""
        return devfile.load(self.home.dev_file)


class Servers(_Background):
    """Kafka, PostgreSQL and Redis, with nothing in them."""

    _services = False

    @property
    def kafka(self) -> str:
        """`host:port`."""
        return self._endpoints.kafka

    @property
    def idempotence(self) -> bool:
        """Whether producers may be idempotent."""
        return self.broker.nature.idempotence

    @property
    def redis(self) -> str:
        """The URL."""
        return self._endpoints.redis

    @property
    def postgres(self) -> str:
        """The administrator's DSN."""
        return self._endpoints.administrator

    async def create_database(self, name: str) -> str:
        """A database and a role with this name, and the role's DSN; a name of lower case letters, digits and `_`."""
        password = secrets.token_hex(8)
        await postgres.create_databases(self.postgres, {name: password})
        return postgres.dsn(name, password, self.ports.postgres, name)

    @property
    def _endpoints(self) -> Endpoints:
        return endpoints.resolve(self.ports, read(self.home))
