"""``album up``: one command that runs the whole stack, and leaves nothing behind."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from deploy.local.ports import free_ports
from deploy.local.settings import inherited_environment
from services.cli.running import FILE, running_stack
from tests.support import operator
from tests.support.client import AlbumClient, connect
from tests.support.pictures import picture
from tests.support.processes import is_alive, listeners, named, open_ports, with_descendants
from tests.support.waiting import eventually

READY = "Album is ready at "
START_SECONDS = 90.0
STOP_SECONDS = 40.0
EX_UNAVAILABLE = 69


@dataclass
class Up:
    """A running ``album up``: its process, its port, and what it has printed so far."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def printed(self) -> list[str]:
        return self.log.read_text().splitlines()

    def said(self, pattern: str) -> list[str]:
        return [line for line in self.printed if re.search(pattern, line)]

    def wait_until_ready(self) -> None:
        eventually(lambda: self.said(READY) or self.process.poll() is not None, START_SECONDS, "the stack is ready")
        assert self.process.poll() is None, self.log.read_text()

    def client(self) -> AlbumClient:
        return AlbumClient(connect(f"http://127.0.0.1:{self.port}"))

    def family(self) -> set[int]:
        return with_descendants(self.process.pid)


def ends_with_it(family: set[int]) -> None:
    """All that `album up` has started is gone with it, or the moment after: children of children go last."""
    eventually(lambda: not [pid for pid in family if is_alive(pid)], 15, "every process ends")


StartUp = Callable[..., Up]


def start(log: Path, port: int, *options: str, **environment: str) -> Up:
    with log.open("wb") as output:
        command = [sys.executable, "-m", "services.cli", "up", "--port", str(port), *options]
        # With servers of its own, even where the session's are given by url.
        own = {"ALBUM_MONGO_URL": "", "ALBUM_AMQP_URL": ""}
        env = inherited_environment() | own | {"ALBUM_DECODER_PROCESSES": "1", "ALBUM_THUMBNAILER_PROCESSES": "1"}
        process = subprocess.Popen(command, env=env | environment, stdout=output, stderr=subprocess.STDOUT)
    return Up(process, port, log)


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[StartUp]:
    started: list[Up] = []

    def run(*options: str, **environment: str) -> Up:
        [port] = free_ports(1)
        up = start(tmp_path / f"up-{len(started)}.log", port, "--data", str(tmp_path / "data"), *options, **environment)
        started.append(up)
        return up

    yield run
    for up in started:
        up.process.kill()
        up.process.wait()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One stack for the tests that leave it as they found it: ready, with two decoders."""
    directory = tmp_path_factory.mktemp("up")
    [port] = free_ports(1)
    running = start(directory / "log", port, "--data", str(directory / "data"), "--decoders", "2")
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.process.kill()
        running.process.wait()


NOTHING_SET = dict.fromkeys(("ALBUM_MONGO_URL", "ALBUM_AMQP_URL", "ALBUM_DATABASE", "ALBUM_HOST", "ALBUM_PORT"))


def elsewhere(data: Path) -> dict[str, str | None]:
    """The environment of another terminal, where nothing is said of servers."""
    return {**NOTHING_SET, "ALBUM_DATA": str(data)}


def make_a_picture(up: Up) -> tuple[str, str]:
    with up.client() as client:
        album_id = client.create()
        job = client.ready(album_id, picture("JPEG", width=320, height=200))
        return album_id, job["image_id"]


def test_one_line_says_where_the_album_is_and_pictures_can_be_made_there(up: Up) -> None:
    assert up.said(READY) == [f"Album is ready at http://127.0.0.1:{up.port}"]
    assert make_a_picture(up)


def test_the_workers_run_as_often_as_asked_and_their_lines_carry_their_names(up: Up) -> None:
    family = up.family()
    services = ("api", "decoder", "thumbnailer", "audit", "notifier")
    assert [len(named(family, f"-m services.{name}")) for name in services] == [1, 2, 1, 1, 1]
    for name in ("api", "decoder-1", "decoder-2", "thumbnailer-1", "audit", "notifier"):
        assert up.said(f"^{name} +.*consuming")


def test_other_commands_find_it_without_being_told_where_its_servers_are(up: Up, tmp_path: Path) -> None:
    make_a_picture(up)
    terminal = elsewhere(up.log.parent / "data")

    [seen] = operator.succeeded(terminal, "status")
    [copied] = operator.succeeded(terminal, "backup", tmp_path)
    operator.succeeded(terminal, "dead-letters", "list")

    assert (seen["concerns"], seen["api"]) == ([], {"database": "up", "broker": "up"})
    assert [lag["subscriber"] for lag in seen["overview"]["subscribers"]] == ["audit", "notifier"]
    assert copied["images"] >= 1
    assert up.said("^other album commands find it with ALBUM_DATA=") == [
        f"other album commands find it with ALBUM_DATA={up.log.parent / 'data'}"
    ]


def test_what_was_backed_up_is_restored_for_a_stack_that_does_not_run(
    up: Up, start_up: StartUp, tmp_path: Path
) -> None:
    album_id, image_id = make_a_picture(up)
    operator.succeeded(elsewhere(up.log.parent / "data"), "backup", tmp_path / "backup")

    taken = up.log.parent / "data"
    in_use = operator.album({}, "restore", tmp_path / "backup", "--data", taken, "--drop")
    assert in_use.exit_code == EX_UNAVAILABLE
    assert in_use.stderr == f"album: process {up.process.pid} is using {taken}: stop it first\n"
    stale = tmp_path / "data" / "rabbitmq" / "queues"
    stale.mkdir(parents=True)
    operator.succeeded(elsewhere(tmp_path), "restore", tmp_path / "backup", "--data", tmp_path / "data", "--drop")
    assert not stale.exists()

    again = start_up()
    again.wait_until_ready()
    with again.client() as client:
        assert client.post("/album/image/get", album_id=album_id, image_id=image_id).status_code == 200


def test_nothing_of_the_stack_listens_beyond_this_machine(up: Up) -> None:
    assert {address for address, _ in listeners(up.family())} <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("-m services.decoder", "decoder-[12]"),
        ("-m services.api", "api"),
        ("beam.smp", "rabbitmq"),
        ("mongod", "mongod"),
    ],
)
def test_what_dies_is_started_again_in_one_line_and_pictures_can_be_made_again(up: Up, part: str, name: str) -> None:
    said_before = len(up.said(f"^{name} was ended"))
    family = named(up.family(), part)
    subprocess.run(["kill", "-9", str(family[0])], check=True)

    eventually(lambda: {*named(up.family(), part)} - {*family}, 30, f"{name} is started again")
    eventually(lambda: pictures_can_be_made(up), 60, "pictures can be made again")

    said = up.said(f"^{name} was ended")[said_before:]
    assert len(said) == 1
    assert re.fullmatch(rf"{name} was ended by SIGKILL; starting it again in 0\.5 s", said[0])
    assert len(up.said(READY)) == 1


def pictures_can_be_made(up: Up) -> bool:
    try:
        return bool(make_a_picture(up))
    except (AssertionError, httpx.TransportError):
        return False


def test_a_second_start_on_the_same_data_names_the_first(up: Up, start_up: StartUp) -> None:
    data_dir = up.log.parent / "data"
    second = start_up("--data", str(data_dir))
    assert second.process.wait(30) == EX_UNAVAILABLE
    assert second.printed == [
        f"album: process {up.process.pid} is using {data_dir}: stop it, or choose another directory with --data"
    ]


def test_a_taken_port_is_said_at_once(start_up: StartUp, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = start_up("--port", str(port))
        assert up.process.wait(30) == EX_UNAVAILABLE
    assert up.printed == [
        f"album: cannot listen on 127.0.0.1 port {port} (Address already in use): "
        "stop what listens there, or choose another port with --port"
    ]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["album.invalid", "192.0.2.1"], ids=["no name", "of another machine"])
def test_an_address_that_is_not_this_machines_is_said_at_once(start_up: StartUp, host: str) -> None:
    up = start_up(ALBUM_HOST=host)
    assert up.process.wait(30) == EX_UNAVAILABLE
    # In words, of which resolvers have several.
    why = rf"cannot listen on {host} port {up.port} \([A-Za-z ]+\)"
    assert up.said(f"^album: {why}: set ALBUM_HOST to an address of this machine$")


@pytest.mark.parametrize("name", ["ALBUM_MONGO_URL", "ALBUM_AMQP_URL", "ALBUM_PUBLIC_URL", "ALBUM_LOG_LEVEL"])
def test_a_setting_of_every_service_that_makes_no_sense_is_named_before_anything_is_started(
    start_up: StartUp, name: str
) -> None:
    up = start_up(**{name: "nowhere"})
    assert up.process.wait(30) == 64
    [line] = up.printed
    assert line.startswith(f"album: {name}: Input should be ")


def test_a_setting_that_makes_no_sense_is_named(start_up: StartUp) -> None:
    up = start_up(ALBUM_DECODERS="many")
    assert up.process.wait(30) == 64
    assert up.said("^album: ALBUM_DECODERS: Input should be a valid integer")


def test_a_setting_of_a_service_that_makes_no_sense_ends_it(
    start_up: StartUp, mongo_url: str, amqp_url: str, database: str
) -> None:
    ours = {"ALBUM_MONGO_URL": mongo_url, "ALBUM_AMQP_URL": amqp_url, "ALBUM_DATABASE": database}
    up = start_up(ALBUM_DECODER_QUALITY="high", **ours)

    assert up.process.wait(60) == EX_UNAVAILABLE
    assert up.said("^decoder-1 +decoder: ALBUM_DECODER_QUALITY: Input should be a valid integer")
    assert up.said("^album: decoder-1 must not run as it is set up")
    assert not up.said("Traceback|starting it again")


def test_a_ctrl_c_while_it_ends_for_a_reason_of_its_own_ends_it_at_once(start_up: StartUp) -> None:
    up = start_up(ALBUM_DECODER_QUALITY="high")
    eventually(lambda: up.said("finishing what is in hand") or up.process.poll() is not None, START_SECONDS, "it ends")

    up.process.send_signal(signal.SIGINT)

    assert up.process.wait(STOP_SECONDS) == 130
    assert not up.said("Traceback")


def test_an_api_that_must_not_run_as_it_is_set_up_ends_it(start_up: StartUp, mongo_url: str, amqp_url: str) -> None:
    nobodys = {"ALBUM_MONGO_URL": mongo_url, "ALBUM_AMQP_URL": amqp_url, "ALBUM_DATABASE": "test_nobody"}
    up = start_up("--decoders", "0", "--thumbnailers", "0", ALBUM_HOST="0.0.0.0", **nobodys)

    assert up.process.wait(60) == EX_UNAVAILABLE
    assert up.said("album keys create")
    assert up.said("^album: api must not run as it is set up")


def test_ctrl_c_ends_all_of_it_in_order_and_keeps_the_data(start_up: StartUp) -> None:
    up = start_up()
    up.wait_until_ready()
    album_id, image_id = make_a_picture(up)
    family = up.family()
    ports = {port for _, port in listeners(family)}

    up.process.send_signal(signal.SIGINT)

    assert up.process.wait(STOP_SECONDS) == 0
    own_lines = [line for line in up.printed if line.startswith(("stopping;", "Album has"))]
    assert own_lines == ["stopping; Ctrl-C again ends it at once", "Album has stopped"]
    assert up.printed[-1] == own_lines[-1]
    ends_with_it(family)
    assert not ports & open_ports()
    assert not (up.log.parent / "data" / FILE).exists()
    again = start_up()
    again.wait_until_ready()
    with again.client() as client:
        snapshot = client.post("/album/get", album_id=album_id).json()["album_snapshot"]
    assert snapshot["content"] == [image_id]


def test_everything_ends_when_it_is_killed(start_up: StartUp) -> None:
    up = start_up()
    up.wait_until_ready()
    make_a_picture(up)
    family = up.family()
    ports = {port for _, port in listeners(family)}

    up.process.kill()

    ends_with_it(family)
    assert not ports & open_ports()
    data = up.log.parent / "data"
    assert (data / FILE).exists()
    assert running_stack(data) == {}


def test_it_uses_the_servers_it_is_given(start_up: StartUp, mongo_url: str, amqp_url: str, database: str) -> None:
    up = start_up(ALBUM_MONGO_URL=mongo_url, ALBUM_AMQP_URL=amqp_url, ALBUM_DATABASE=database)
    up.wait_until_ready()
    assert make_a_picture(up)
    family = up.family()
    assert not named(family, "mongod") + named(family, "beam.smp")

    up.process.terminate()

    assert up.process.wait(STOP_SECONDS) == 0
    ends_with_it(family)


def test_a_ctrl_c_before_it_is_ready_ends_it_as_well(start_up: StartUp) -> None:
    up = start_up()
    eventually(lambda: named(up.family(), "beam.smp"), 30, "the broker is starting")
    family = up.family()

    up.process.send_signal(signal.SIGINT)

    assert up.process.wait(STOP_SECONDS) == 0
    ends_with_it(family)
