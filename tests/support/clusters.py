"""Three servers of a kind on this machine that make one, of which any may be killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from deploy.local import rabbitmq
from deploy.local.mongod import find_mongod
from deploy.local.ports import LOOPBACK, free_ports
from deploy.local.process import Process
from deploy.local.settings import inherited_environment
from tests.support.waiting import eventually

NODES = 3
START_SECONDS = 120.0


@dataclass
class ReplicaSet:
    """Three mongods by their ports."""

    members: dict[int, Process]

    @property
    def url(self) -> str:
        hosts = ",".join(f"{LOOPBACK}:{port}" for port in self.members)
        return f"mongodb://{hosts}/?replicaSet=rs0"

    def primary(self) -> int | None:
        """The port of the member that takes writes now."""
        for port, member in self.members.items():
            if member.is_running and _hello(port).get("isWritablePrimary"):
                return port
        return None


def _hello(port: int) -> dict[str, Any]:
    with MongoClient[dict[str, Any]](LOOPBACK, port, directConnection=True, serverSelectionTimeoutMS=1000) as client:
        try:
            return client.admin.command("hello")
        except PyMongoError:
            return {}


@contextmanager
def replica_set(directory: Path) -> Iterator[ReplicaSet]:
    """A replica set of three, with a primary."""
    members: dict[int, Process] = {}
    for port in free_ports(NODES):
        data = directory / f"mongod-{port}"
        data.mkdir()
        command = [str(find_mongod()), "--replSet", "rs0", "--bind_ip", LOOPBACK, "--port", str(port)]
        command += ["--dbpath", str(data), "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"]
        command += ["--setParameter", "transactionLifetimeLimitSeconds=10", "--quiet"]
        members[port] = Process(command, env=inherited_environment(), log=directory / f"mongod-{port}.log")
    cluster = ReplicaSet(members)
    try:
        for port, member in members.items():
            member.start()
            eventually(lambda port=port: _hello(port), START_SECONDS, "the member answers")  # type: ignore[misc]
        first = next(iter(members))
        config = [{"_id": number, "host": f"{LOOPBACK}:{port}"} for number, port in enumerate(members)]
        with MongoClient[dict[str, Any]](LOOPBACK, first, directConnection=True) as client:
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": config})
        eventually(cluster.primary, START_SECONDS, "the members elect a primary")
        yield cluster
    finally:
        for member in members.values():
            member.kill()


@dataclass
class BrokerCluster:
    """Three RabbitMQ nodes by their names."""

    nodes: dict[str, Process]
    addresses: dict[str, str]
    management: str

    @property
    def url(self) -> str:
        return ",".join(self.addresses.values())

    def leader_of(self, queue: str) -> str:
        """The name of the node that leads a queue."""
        with httpx.Client(base_url=self.management, auth=("guest", "guest"), timeout=20) as api:
            leader: str = api.get(f"queues/%2F/{quote(queue)}").json()["leader"]
            return leader

    def members(self) -> int:
        """How many nodes the first one sees running."""
        try:
            with httpx.Client(base_url=self.management, auth=("guest", "guest"), timeout=20) as api:
                return sum(1 for node in api.get("nodes").json() if node["running"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return 0


@contextmanager
def broker_cluster(directory: Path) -> Iterator[BrokerCluster]:
    """A RabbitMQ cluster of three; the first node has the management API and is not to be killed."""
    [epmd_port, management_port] = free_ports(2)
    names = [f"album{number}@{LOOPBACK}" for number in range(NODES)]
    nodes: dict[str, Process] = {}
    addresses: dict[str, str] = {}
    epmd: Process | None = None
    for number, name in enumerate(names):
        home = directory / f"rabbitmq-{number}"
        home.mkdir()
        amqp_port, distribution_port = free_ports(2)
        cookie = home / ".erlang.cookie"
        cookie.write_text("album-cluster-of-a-test")
        cookie.chmod(0o600)
        config = rabbitmq.CONFIG.format(loopback=LOOPBACK, amqp_port=amqp_port, user="guest", password="guest")
        config += rabbitmq.MANAGEMENT_CONFIG.format(loopback=LOOPBACK, management_port=management_port)
        config += "cluster_formation.peer_discovery_backend = classic_config\n"
        config += "".join(f"cluster_formation.classic_config.nodes.{i} = {each}\n" for i, each in enumerate(names, 1))
        (home / "rabbitmq.conf").write_text(config)
        (home / "enabled_plugins").write_text(
            f"[{'rabbitmq_management' if number == 0 else 'rabbitmq_management_agent'}].\n"
        )
        log = home / "rabbitmq.log"
        env = rabbitmq.environment(home, log, distribution_port, epmd_port) | {"RABBITMQ_NODENAME": name}
        epmd = epmd or Process([rabbitmq.find_epmd()], env=env, log=directory / "epmd.log")
        nodes[name] = Process([rabbitmq.find_server()], env=env, log=home / "console.log")
        addresses[name] = f"amqp://guest:guest@{LOOPBACK}:{amqp_port}/"
    cluster = BrokerCluster(nodes, addresses, f"http://{LOOPBACK}:{management_port}/api/")
    assert epmd is not None
    try:
        epmd.start()
        for node in nodes.values():
            node.start()
        eventually(lambda: cluster.members() == NODES, 2 * START_SECONDS, "three nodes have found each other")
        yield cluster
    finally:
        for node in nodes.values():
            node.kill()
        epmd.kill()
