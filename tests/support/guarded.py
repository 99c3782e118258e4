"""Servers as others run them for Album: reached by TLS alone, with a user who may do what the documents ask for."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trustme
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from deploy.local import rabbitmq
from deploy.local.mongod import find_mongod
from deploy.local.ports import LOOPBACK, free_ports
from deploy.local.process import Process
from deploy.local.settings import inherited_environment
from tests.support.waiting import eventually

DOCS = Path(__file__).parents[2] / "docs/how-to/install.md"
START_SECONDS = 120.0
USER, DATABASE = "album", "album"


@dataclass
class GuardedServers:
    """Where Album finds them; its user's password is part of the urls."""

    mongo_url: str
    amqp_url: str
    password: str
    mongo: MongoClient[dict[str, Any]]
    """The database as its operator sees it."""


@contextmanager
def guarded_servers(directory: Path) -> Iterator[GuardedServers]:
    """A mongod and a RabbitMQ that listen for TLS alone."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "authority.pem"))
    certificate = authority.issue_cert(LOOPBACK)
    certificate.private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
    password = secrets.token_hex(12)
    with _mongod(directory, password) as (mongo, mongo_port), _rabbitmq(directory, password) as amqp_port:
        yield GuardedServers(
            f"mongodb://{USER}:{password}@{LOOPBACK}:{mongo_port}/?authSource={DATABASE}&replicaSet=rs0&tls=true"
            f"&tlsCAFile={directory}/authority.pem",
            f"amqps://{USER}:{password}@{LOOPBACK}:{amqp_port}/?cafile={directory}/authority.pem",
            password,
            mongo,
        )


@contextmanager
def _mongod(directory: Path, password: str) -> Iterator[tuple[MongoClient[dict[str, Any]], int]]:
    (directory / "data").mkdir()
    shared_key = directory / "shared.key"
    shared_key.touch(mode=0o600)
    shared_key.write_text(secrets.token_hex(40))
    [port] = free_ports(1)
    command = [str(find_mongod()), "--replSet", "rs0", "--bind_ip", LOOPBACK, "--port", str(port)]
    command += ["--dbpath", str(directory / "data"), "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--quiet"]
    command += ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(directory / "server.pem")]
    command += ["--tlsCAFile", str(directory / "authority.pem"), "--tlsAllowConnectionsWithoutCertificates"]
    command += ["--auth", "--keyFile", str(shared_key)]
    server = Process(command, env=inherited_environment(), log=directory / "mongod.log")
    guarded: dict[str, Any] = {"directConnection": True, "tls": True, "tlsCAFile": str(directory / "authority.pem")}
    guarded |= {"serverSelectionTimeoutMS": 1000, "tz_aware": True}
    server.start()
    try:
        with MongoClient[dict[str, Any]](LOOPBACK, port, **guarded) as first:
            eventually(lambda: _hello(first), START_SECONDS, "the database answers")
            first.admin.command(
                "replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": f"{LOOPBACK}:{port}"}]}
            )
            eventually(lambda: _hello(first).get("isWritablePrimary"), START_SECONDS, "it is the primary")
            # As long as there is no user a connection from this machine may make one.
            first.admin.command("createUser", "operator", pwd=password, roles=["root"])
        with MongoClient[dict[str, Any]](LOOPBACK, port, username="operator", password=password, **guarded) as mongo:
            role = {"role": _documented(r"the role `(\w+)` on the database `album`"), "db": DATABASE}
            mongo[DATABASE].command("createUser", USER, pwd=password, roles=[role])
            yield mongo, port
    finally:
        server.kill()


def _hello(client: MongoClient[dict[str, Any]]) -> dict[str, Any]:
    try:
        return client.admin.command("hello")
    except PyMongoError:
        return {}


@contextmanager
def _rabbitmq(directory: Path, password: str) -> Iterator[int]:
    tls_port, management_port = free_ports(2)
    node = rabbitmq.prepare(directory, management_port=management_port)
    with (directory / rabbitmq.DIRECTORY / "rabbitmq.conf").open("a") as config:
        config.write(
            f"listeners.ssl.1 = {LOOPBACK}:{tls_port}\n"
            f"ssl_options.certfile = {directory}/server.pem\n"
            f"ssl_options.keyfile = {directory}/server.pem\n"
        )
    command = shlex.split(_documented(r"`(rabbitmqctl set_permissions .*)`"))
    assert command[2] == USER
    rights = dict(zip(("configure", "write", "read"), command[3:], strict=True))
    node.start()
    try:
        node.wait_until_ready()
        administrator = (rabbitmq.USER, (directory / rabbitmq.DIRECTORY / "password").read_text())
        with httpx.Client(base_url=f"http://{LOOPBACK}:{management_port}/api/", auth=administrator) as api:
            made = {"password": password, "tags": ""}
            eventually(lambda: _is_put(api, f"users/{USER}", made), START_SECONDS, "the management API answers")
            assert _is_put(api, f"permissions/%2F/{USER}", rights)
        yield tls_port
    finally:
        node.kill()
        node.stop()


def _is_put(api: httpx.Client, path: str, body: dict[str, str]) -> bool:
    try:
        return api.put(path, json=body).is_success
    except httpx.TransportError:
        return False


def _documented(pattern: str) -> str:
    found = re.search(pattern, DOCS.read_text())
    assert found is not None, pattern
    return found.group(1)
