"""Private servers: real ones, started here, alone on the loopback address, gone without a trace."""

from __future__ import annotations

import errno
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import anyio
import pytest
from pymongo import MongoClient

from deploy.local import mongod, rabbitmq
from deploy.local.node import Node, NodeFailed, running
from tests.support.processes import is_alive, listeners, named, open_ports, with_descendants
from tests.support.waiting import eventually

PROJECT = Path(__file__).parents[3]
SUPERVISOR = """
import signal, sys
from pathlib import Path
from deploy.local import mongod, rabbitmq
from deploy.local.node import running
data = Path(sys.argv[1])
with running(mongod.prepare(data), rabbitmq.prepare(data)):
    print("ready", flush=True)
    signal.pause()
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def broker(data_dir: Path) -> Iterator[Node]:
    with running(rabbitmq.prepare(data_dir)) as (node,):
        yield node


def records(url: str) -> list[dict[str, Any]]:
    with MongoClient[dict[str, Any]](url) as client:
        return list(client["try"]["records"].find())


def publish(url: str, queue: str) -> None:
    async def run() -> None:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
            message = aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, routing_key=queue)

    anyio.run(run)


def take(url: str, queue: str) -> bytes:
    async def run() -> bytes:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            async with (await channel.get_queue(queue)).iterator(timeout=30) as messages:
                message = await anext(messages)
                return bytes(message.body)

    return anyio.run(run)


def test_mongod_takes_transactions_and_keeps_its_data_when_it_moves_to_another_port(tmp_path: Path) -> None:
    with (
        running(mongod.prepare(tmp_path)) as (first,),
        MongoClient[dict[str, Any]](first.url) as client,
        client.start_session() as session,
        session.start_transaction(),
    ):
        client["try"]["records"].insert_one({"_id": 1}, session=session)
    with running(mongod.prepare(tmp_path)) as (second,):
        assert second.url != first.url
        assert records(second.url) == [{"_id": 1}]


def test_mongod_survives_a_power_cut(tmp_path: Path) -> None:
    with running(mongod.prepare(tmp_path)) as (node,):
        with MongoClient[dict[str, Any]](node.url) as client:
            client["try"]["records"].insert_one({"_id": 1})
        node.kill()
        assert not node.is_ready()
        node.restart()
        assert records(node.url) == [{"_id": 1}]


def test_a_mongod_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "mongod" / "mongod.lock").mkdir(parents=True)
    with pytest.raises(NodeFailed, match=r"mongod ended with exit code \d+ before it was ready(.|\n)*mongod\.lock"):
        running(mongod.prepare(tmp_path)).__enter__()


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    node = rabbitmq.prepare(tmp_path)
    (tmp_path / "rabbitmq" / "rabbitmq.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(
        NodeFailed, match=r"rabbitmq ended with exit code \d+ before it was ready(.|\n)*no_such_setting"
    ):
        running(node).__enter__()


def test_a_secret_that_a_full_disk_kept_from_being_written_is_made_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", fail)
        with pytest.raises(OSError, match="No space left"):
            rabbitmq.prepare(tmp_path)

    rabbitmq.prepare(tmp_path)

    kept = tmp_path / rabbitmq.DIRECTORY
    assert [len((kept / name).read_text()) for name in ("password", ".erlang.cookie")] == [40, 40]


def test_the_broker_takes_its_random_password_and_no_other(broker: Node) -> None:
    publish(broker.url, "guarded")
    password = urlsplit(broker.url).password or ""
    assert len(password) == 40
    with pytest.raises(aio_pika.exceptions.ProbableAuthenticationError):
        publish(broker.url.replace(password, "guest"), "guarded")


def test_the_brokers_secrets_are_readable_by_their_owner_only(broker: Node, data_dir: Path) -> None:
    for name in ("password", ".erlang.cookie", "rabbitmq.conf"):
        assert stat.S_IMODE((data_dir / "rabbitmq" / name).stat().st_mode) == 0o600
    password = urlsplit(broker.url).password or ""
    logs = [path.read_text(errors="replace") for path in (data_dir / "logs").iterdir()]
    assert password not in "".join(logs)


def test_the_broker_and_its_name_server_listen_on_the_loopback_address_only(broker: Node) -> None:
    pids = with_descendants(broker.pid) | {process.pid for process in broker.companions}
    assert {address for address, _ in listeners(pids)} <= {"127.0.0.1", "::1"}


def test_a_message_survives_a_broker_that_is_killed_and_restarted(broker: Node, data_dir: Path) -> None:
    publish(broker.url, "durable")
    [names] = data_dir.glob("rabbitmq/mnesia/*/quorum/*/names.dets")
    # RabbitMQ 3.10 writes a new quorum queue's name half a second late; killed before, the queue finds no leader.
    eventually(lambda: b"durable" in names.read_bytes(), 10, "the queue's name is on disk")
    broker.kill()
    broker.restart()
    assert take(broker.url, "durable") == b"kept"


def test_a_paused_broker_is_silent_and_a_resumed_one_answers(broker: Node) -> None:
    broker.pause()
    eventually(lambda: not broker.is_ready(), what="each of its threads has stopped")
    broker.resume()
    broker.wait_until_ready(20)


def test_everything_ends_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path)]
    supervisor = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE)
    assert supervisor.stdout is not None
    with supervisor, supervisor.stdout:
        assert supervisor.stdout.readline() == b"ready\n"
        family = with_descendants(supervisor.pid)
        ports = {port for _, port in listeners(family)}
        for part in ("mongod", "beam.smp", "epmd", "erl_child_setup", "inet_gethost"):
            assert named(family, part), f"{part} was to be watched"
        assert len(ports) == 4

        supervisor.kill()

    eventually(lambda: not any(map(is_alive, family)), 15, "every process ends")
    assert not ports & open_ports()
