"""``album up``: the whole stack in the foreground, on private servers, until Ctrl-C."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pydantic import SecretStr

from deploy.local import mongod, rabbitmq
from deploy.local.claim import AlreadyClaimed, claimed
from deploy.local.node import Node, NodeFailed, running
from deploy.local.ports import LOOPBACK, free_ports
from deploy.local.settings import inherited_environment
from libs.shared.errors import MACHINE_ERRORS
from libs.shared.outages import outage_of
from libs.shared.settings import SharedSettings
from services.cli.console import Console
from services.cli.running import announced
from services.cli.service import Service
from services.cli.settings import PROJECT, DataSettings, UpSettings
from services.cli.supervisor import Misconfigured, keep_running

EX_SECOND_SIGNAL = 130


class CannotStart(Exception):
    """Why the stack cannot start, in one sentence for the one who typed the command."""


class Stopped(BaseException):
    """SIGINT or SIGTERM arrived. Like KeyboardInterrupt, no one but the outermost caller handles it."""


def up(settings: UpSettings, console: Console) -> None:
    """Run the stack until SIGINT or SIGTERM, then end all of it in order: services, broker, database.

    Raises:
        WrongSetting: what all services are told cannot be.
        CannotStart: the port or the data directory is in use or not ours, or something cannot be started.
    """
    stop_on_signals()
    try:
        with ExitStack() as stack:
            try:
                run(settings, console, stack)
            except Stopped:
                console.say("stopping; Ctrl-C again ends it at once")
            except (Misconfigured, NodeFailed):
                end_on_signals()  # it stops already
                raise
        console.say("Album has stopped")
    except AlreadyClaimed as error:
        raise CannotStart(f"{error}: stop it, or choose another directory with --data") from None
    except NodeFailed as error:
        raise CannotStart(str(error)) from None
    except Misconfigured as error:
        raise CannotStart(f"{error} must not run as it is set up; it says why above") from None
    except MACHINE_ERRORS as error:
        if isinstance(error, OSError) and error.filename:
            raise CannotStart(f"{error.filename}: {error.strerror}") from None
        outage = outage_of(error)
        if outage is None:
            raise
        raise CannotStart(outage.message) from None


def run(settings: UpSettings, console: Console, stack: ExitStack) -> None:
    """Start everything in the order in which it is needed, and keep it running until an exception ends it.

    What was started is left to the stack to end.
    """
    shared = SharedSettings()
    require_free_port(settings)
    if settings.needs_private_servers:
        stack.enter_context(claimed(settings.data))
        console.say(f"starting private servers; their data and logs are in {settings.data}")
    servers = choose_servers(settings)
    stack.enter_context(running(*servers.nodes))
    if settings.needs_private_servers:
        stack.enter_context(announced(settings.data, _whereabouts(settings, shared, servers)))
        if settings.data.resolve() != DataSettings.model_fields["data"].default:
            console.say(f"other album commands find it with ALBUM_DATA={settings.data.resolve()}")
    services = describe_services(settings, servers, console)
    stack.enter_context(started(services))
    keep_running(
        [*servers.nodes, *services],
        say=console.say,
        on_ready=lambda: console.say(f"Album is ready at {settings.url}"),
    )


@dataclass
class Servers:
    """The servers of a stack, and those among them that are started and ended with it."""

    nodes: list[Node]
    mongo_url: str
    amqp_url: str


def choose_servers(settings: UpSettings) -> Servers:
    """The servers whose urls were given, and private ones in place of the others."""
    nodes: list[Node] = []

    def url_of(given: SecretStr | None, prepare: Callable[[Path], Node]) -> str:
        if given:
            return given.get_secret_value()
        nodes.append(prepare(settings.data))
        return nodes[-1].url

    mongo_url = url_of(settings.mongo_url, mongod.prepare)
    amqp_url = url_of(settings.amqp_url, rabbitmq.prepare)
    return Servers(nodes, mongo_url, amqp_url)


def _whereabouts(settings: UpSettings, shared: SharedSettings, servers: Servers) -> dict[str, str | int]:
    """What other commands must know, by the names of their settings."""
    return {
        "mongo_url": servers.mongo_url,
        "amqp_url": servers.amqp_url,
        "database": shared.database,
        "public_url": str(shared.public_url or settings.url),
        "host": settings.host,
        "port": settings.port,
    }


def describe_services(settings: UpSettings, servers: Servers, console: Console) -> list[Service]:
    """The API and as many of each worker as were asked for, and the subscribers; not started yet."""
    env = inherited_environment() | {
        "ALBUM_MONGO_URL": servers.mongo_url,
        "ALBUM_AMQP_URL": servers.amqp_url,
        "ALBUM_HOST": settings.host,
        "ALBUM_PORT": str(settings.port),
        "PYTHONPATH": str(PROJECT),
    }
    if console.is_terminal:
        env.setdefault("ALBUM_LOG_FORMAT", "text")

    workers = [
        (stage, f"{stage}-{number + 1}")
        for stage, count in (("decoder", settings.decoders), ("thumbnailer", settings.thumbnailers))
        for number in range(count)
    ]
    # One is enough: of several only one is given events at a time.
    workers += [("audit", "audit"), ("notifier", "notifier")]

    def worker(package: str, name: str, port: int) -> Service:
        # Health and metrics are for this machine, wherever else the API may listen.
        own = {"ALBUM_HOST": LOOPBACK, "ALBUM_METRICS_PORT": str(port)}
        return Service(name, package, env | own, console, url=f"http://{LOOPBACK}:{port}")

    ports = free_ports(len(workers))
    return [
        Service("api", "api", env, console, url=settings.url),
        *(worker(package, name, port) for (package, name), port in zip(workers, ports, strict=True)),
    ]


@contextmanager
def started(services: list[Service]) -> Iterator[None]:
    """The services, started; at the end all are asked to stop at once and each has its grace."""
    try:
        for service in services:
            service.start()
        yield
    finally:
        for service in services:
            service.terminate()
        for service in services:
            service.stop()


def require_free_port(settings: UpSettings) -> None:
    """Say so now rather than after the servers have started.

    Raises:
        CannotStart: nobody can listen there.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        is_taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
        another_port = "stop what listens there, or choose another port with --port"
        advice = another_port if is_taken else "set ALBUM_HOST to an address of this machine"
        reason = str(error.strerror).partition(" (")[0]  # Python adds the address
        raise CannotStart(f"cannot listen on {settings.host} port {settings.port} ({reason}): {advice}") from None


def stop_on_signals() -> None:
    """Make the first SIGINT, SIGTERM or SIGHUP raise ``Stopped``, and a second one end everything at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        end_on_signals()
        raise Stopped

    _on_signals(stop)


def end_on_signals() -> None:
    """Make the next SIGINT, SIGTERM or SIGHUP end everything at once."""

    def end(number: int, frame: FrameType | None) -> None:
        # The kernel ends the children with this process; they are made to survive that.
        os._exit(EX_SECOND_SIGNAL)

    _on_signals(end)


def _on_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, handler)
