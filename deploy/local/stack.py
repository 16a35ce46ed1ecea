"""One local stack from start to stop: servers, databases, topics, tenants, services, sources, dev.json."""

import asyncio
import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from aiokafka.errors import KafkaError
from pydantic import BaseModel, ConfigDict

from deploy import signing, tenants
from deploy.local import (
    broker,
    clockfile,
    containers,
    demo_tenants,
    endpoints,
    lifecycle,
    ports,
    postgres,
    processes,
    redis,
    secrets,
    services,
)
from deploy.local.broker import Broker
from deploy.local.devfile import DevFile
from deploy.local.endpoints import Endpoints
from deploy.local.errors import PartDidNotStartError, StackError
from deploy.local.home import Home
from deploy.local.parts import Part, answers_http
from deploy.local.ports import Ports
from deploy.local.processes import Command
from deploy.local.secrets import LocalSecrets
from deploy.local.supervisor import Report, Supervisor
from shared.contracts.topics import TENANTS
from shared.messaging import topics
from shared.messaging.errors import FatalError

_KAFKA_SECONDS = 20.0
_SERVICE_PORTS = ("signup", "consent", "pool_matching", "outreach_gateway", "courier")


class Options(BaseModel):
    """What to start, and where."""

    model_config = ConfigDict(frozen=True)

    home: Path
    ports: Ports
    broker: Broker = Broker.EMBEDDED
    services: bool = True
    """False starts the servers alone, with nothing in them; integration tests fill them."""
    replicas: dict[str, int] = {}
    """How many of a process run at once, by its name, if not one."""
    ends_with_caller: bool = False
    """Stop when standard input is closed, so that a killed test leaves nothing running."""


async def run(options: Options, report: Report, on_ready: Callable[[DevFile | None], None]) -> None:
    """Start everything, keep it running until SIGTERM or Ctrl-C, stop everything; raises the StackError it ended with."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it can't get over by trying again, it raises
    home = Home(options.home)
    home.make()
    with lifecycle.only_one(home):
        await lifecycle.stop_leftovers(home, report)
        home.put_logs_aside()
        supervisor = Supervisor(home, report)
        work = asyncio.create_task(_start_and_watch(options, supervisor, report, on_ready))
        asked = asyncio.create_task(lifecycle.asked_to_stop(with_caller=options.ends_with_caller))
        try:
            await asyncio.wait((work, asked), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        except StackError as error:
            supervisor.fail(error)
            raise
        finally:
            for task in (work, asked):
                task.cancel()
            await asyncio.gather(work, asked, return_exceptions=True)
            home.dev_file.unlink(missing_ok=True)
            await supervisor.stop()


async def _start_and_watch(
    options: Options, supervisor: Supervisor, report: Report, on_ready: Callable[[DevFile | None], None]
) -> None:
    home, chosen = Home(options.home), options.ports
    kept = secrets.load_or_create(
        home,
        roles=endpoints.ROLES,
        tenant_keys=demo_tenants.fresh_keys,
        sources=tuple(source.source for source in demo_tenants.SOURCES),
    )
    where = endpoints.resolve(chosen, kept)
    _check_ports(options, where)
    if not home.clock_file.exists():
        clockfile.reset(home.clock_file)
    if "kafka" in where.local and not _goes_on(options.broker, home, where):
        _begin_empty(options.broker, home, where, report)
    await supervisor.start(await _servers(options, where, kept, report))
    dev = None
    if options.services:
        await fill(where, kept)
        await supervisor.start(
            services.parts(home, chosen, options.broker, where, kept.keys, options.replicas, signatures=kept.signatures)
        )
        dev = demo_tenants.dev_file(chosen, where, kept)
        await demo_tenants.add_sources(dev)
        dev.save(home)
    supervisor.is_ready()
    on_ready(dev)
    await supervisor.watch()


def _check_ports(options: Options, where: Endpoints) -> None:
    needed = where.local | (set(_SERVICE_PORTS) if options.services else set())
    ports.check((name, port) for name, port in options.ports.named().items() if name in needed)


def _goes_on(chosen: Broker, home: Home, where: Endpoints) -> bool:
    """Whether log and tables of the last start are both there; one without the other is of no use."""
    return broker.has_log(chosen, home) and ("postgres" not in where.local or postgres.has_data(home))


def _begin_empty(chosen: Broker, home: Home, where: Endpoints, report: Report) -> None:
    """The broker begins with an empty log, so whatever refers to earlier records must go as well."""
    if postgres.has_data(home) or broker.has_log(chosen, home):
        report(
            f"A fresh start: the {chosen} broker does not have the last start's log, so its tables and emails are removed too."
        )
    broker.forget(home)
    postgres.forget(home)
    if foreign := set(where.databases) - set(where.local_databases):
        report(
            f"The {chosen} broker begins empty, but the databases of {', '.join(sorted(foreign))} come from the "
            f"environment and keep their rows: make sure that they are empty too."
        )
    shutil.rmtree(home.mail, ignore_errors=True)
    clockfile.reset(home.clock_file)


async def _servers(options: Options, where: Endpoints, kept: LocalSecrets, report: Report) -> list[Part]:
    home, chosen = Home(options.home), options.ports
    made = []
    if "kafka" in where.local:
        made.append(await broker.part(options.broker, home, chosen.kafka, report))
    in_containers = options.broker is Broker.DOCKER
    if "postgres" in where.local and in_containers:
        probe = postgres.answers(chosen.postgres, kept.postgres_password)
        made.append(containers.part("postgres", chosen.postgres, probe, password=kept.postgres_password))
    elif "postgres" in where.local:
        cluster = await postgres.prepare(home, kept.postgres_password)
        made.append(postgres.part(cluster, chosen.postgres, kept.postgres_password))
    if "redis" in where.local and in_containers:
        made.append(containers.part("redis", chosen.redis, redis.answers(chosen.redis)))
    elif "redis" in where.local:
        made.append(redis.part(home, chosen.redis))
    if "mail" in where.local and options.services:
        made.append(mail(home, chosen))
    return made


def mail(home: Home, chosen: Ports) -> Part:
    """The mail catcher."""
    arguments = (
        sys.executable, "-m", "deploy.local.mail", "--folder", str(home.mail), "--http-port", str(chosen.mail),
        "--smtp-port", str(chosen.smtp),
    )  # fmt: skip
    probe = answers_http(f"{services.url(chosen.mail)}/api/v1/messages?limit=0")
    return Part("mail", Command(arguments, processes.ambient(), services.PROJECT), chosen.mail, probe)


async def fill(where: Endpoints, kept: LocalSecrets) -> None:
    """Databases, topics and tenants, in place before any service looks for them."""
    if where.local_databases:
        await postgres.create_databases(
            where.administrator, {role: kept.role_passwords[role] for role in where.local_databases}
        )
    try:
        await topics.wait_for_kafka(where.cluster, seconds=_KAFKA_SECONDS)
        made = await topics.create_missing(where.cluster)
        signer, verifier = signing.of_stack(kept)
        believed = signing.believing(where.cluster, verifier)
        kept_tenants = () if TENANTS.name in made else await tenants.read(believed)
        there = {tenant.tenant for tenant in kept_tenants}  # these may have been changed since
        missing = [tenant for tenant in demo_tenants.TENANTS if tenant.id not in there]
        await tenants.publish(where.cluster, missing, kept.tenant_keys, signer)
    except (KafkaError, FatalError, topics.TopicsDifferError) as error:
        raise PartDidNotStartError(
            f"expected a Kafka that takes topics and records at {where.kafka}, found: {error or type(error).__name__}."
        ) from error
