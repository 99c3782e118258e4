"""A private RabbitMQ node: own name, cookie, ports, name server and files, so it meets no other node."""

from __future__ import annotations

import secrets
import shutil
import socket
from pathlib import Path

from deploy.local.node import Node, NodeFailed
from deploy.local.ports import LOOPBACK, free_ports
from deploy.local.process import Process
from deploy.local.settings import inherited_environment

# An address rather than "localhost", which not every machine can look up.
NODE_NAME = f"album@{LOOPBACK}"
USER = "guest"
# Debian's script on PATH changes to the user rabbitmq, and with that leaves our tether; this one does not.
DEBIAN_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
DIRECTORY = "rabbitmq"
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
# What the server answers: a method frame (1) on channel 0, AMQP 0-9-1 section 4.2.3.
METHOD_FRAME = b"\x01\x00\x00"
PROBE_SECONDS = 1.0

# All of the write-ahead log is held in memory until it is full; with 8 MB that is a few hundred images' messages.
CONFIG = """\
listeners.tcp.1 = {loopback}:{amqp_port}
default_user = {user}
default_pass = {password}
raft.wal_max_size_bytes = 8000000
disk_free_limit.absolute = 256MB
"""
MANAGEMENT_CONFIG = """\
management.tcp.ip = {loopback}
management.tcp.port = {management_port}
"""


def prepare(data_dir: Path, *, management_port: int = 0) -> Node:
    """A node that keeps its data in ``data_dir``/rabbitmq and listens on free loopback ports; not started yet.

    Its user is guest with a random password, which is kept in the data directory and stands in the url. With a
    ``management_port`` it serves RabbitMQ's management API there.

    Raises:
        NodeFailed: there is no RabbitMQ on this machine.
    """
    # Absolute, since the server changes its working directory.
    directory = (data_dir / DIRECTORY).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    log = directory.parent / "logs" / "rabbitmq.log"
    log.parent.mkdir(exist_ok=True)
    log.write_bytes(b"")
    amqp_port, distribution_port, epmd_port = free_ports(3)
    password = _kept_secret(directory / "password")
    config = CONFIG.format(loopback=LOOPBACK, amqp_port=amqp_port, user=USER, password=password)
    if management_port:
        config += MANAGEMENT_CONFIG.format(loopback=LOOPBACK, management_port=management_port)
    _write_private(directory / "rabbitmq.conf", config)
    (directory / "enabled_plugins").write_text("[rabbitmq_management].\n" if management_port else "[].\n")
    _kept_secret(directory / ".erlang.cookie")
    env = environment(directory, log, distribution_port, epmd_port)
    epmd = Process([find_epmd()], env=env, log=log.with_name("epmd.log"))
    # What goes wrong before the server has read where to log.
    console = log.with_name("rabbitmq-console.log")
    console.write_bytes(b"")
    server = Process([find_server()], env=env, log=console)
    url = f"amqp://{USER}:{password}@{LOOPBACK}:{amqp_port}/"
    return Node("rabbitmq", url, [epmd, server], logs=[log, console], is_ready=lambda: _speaks_amqp(amqp_port))


def find_server() -> str:
    """The script that becomes the server.

    Raises:
        NodeFailed: there is none.
    """
    found = str(DEBIAN_SERVER) if DEBIAN_SERVER.exists() else shutil.which("rabbitmq-server")
    if not found:
        raise NodeFailed("there is no rabbitmq-server: run `make setup`, or set ALBUM_AMQP_URL")
    return found


def find_epmd() -> str:
    """Erlang's name server, which comes with Erlang but not always on PATH.

    Raises:
        NodeFailed: there is none.
    """
    inside_erlang = sorted(map(str, Path("/usr/lib/erlang").glob("erts-*/bin/epmd")))
    found = shutil.which("epmd") or (inside_erlang[-1] if inside_erlang else None)
    if not found:
        raise NodeFailed("there is no epmd, which every Erlang installation has: reinstall Erlang")
    return found


def environment(directory: Path, log: Path, distribution_port: int, epmd_port: int) -> dict[str, str]:
    """What makes a server keep to its own files and to the loopback address."""
    return inherited_environment() | {
        "HOME": str(directory),
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "RABBITMQ_NODENAME": NODE_NAME,
        "RABBITMQ_USE_LONGNAME": "true",
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(directory / "rabbitmq-env.conf"),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_LOG_BASE": str(log.parent),
        "RABBITMQ_LOGS": str(log),
        "ERL_CRASH_DUMP": str(log.with_name("erl_crash.dump")),
        "RABBITMQ_PID_FILE": str(directory / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        # Makes the script become the Erlang machine instead of waiting for it, which keeps our tether; the arguments
        # give back what the script leaves out in this mode: no shell on stdin, no menu on SIGINT.
        "RABBITMQ_ALLOW_INPUT": "1",
        "RABBITMQ_SERVER_START_ARGS": "-noinput +B i",
        # As RabbitMQ itself has it since 3.8: its threads must not spin, waiting, on cores that decode pictures.
        "RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD": "none",
    }


def _speaks_amqp(port: int) -> bool:
    """Whether the broker answers the protocol header: it opens its listener last."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=PROBE_SECONDS) as connection:
            connection.sendall(PROTOCOL_HEADER)
            return connection.recv(len(METHOD_FRAME)) == METHOD_FRAME
    except OSError:
        return False


def _kept_secret(path: Path) -> str:
    if not path.exists():
        _write_private(path, secrets.token_hex(20))
    return path.read_text()


def _write_private(path: Path, text: str) -> None:
    # Whole or not at all: a secret that a full disk has left empty would be taken for one ever after.
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)
