"""The decode pool: whatever happens in a child, its caller gets an answer and the others notice nothing."""

from __future__ import annotations

import errno
import json
import os
import pickle
import random
import resource
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from libs.shared.child import MAX_TASKS
from libs.shared.errors import Outage, Rejection
from libs.shared.offload import MAX_RESULT_BYTES, DecodePool
from libs.shared.settings import StageSettings
from libs.shared.spool import Spool
from tests.support import children
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio
MEGABYTE = 1 << 20
PRELOAD = [children.__name__]


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[DecodePool]:
    settings = StageSettings(processes=2, deadline_seconds=2.0, memory_bytes=512 * MEGABYTE)
    async with DecodePool(settings, PRELOAD) as pool:
        yield pool


async def code_of(call: Awaitable[object]) -> str:
    with pytest.raises(Rejection) as caught:
        await call
    return caught.value.code


async def gone(process_id: int) -> None:
    await to_thread.run_sync(eventually, lambda: not Path(f"/proc/{process_id}").exists(), 10.0, "the child is gone")


async def started(spool: Spool) -> int:
    await to_thread.run_sync(eventually, lambda: spool.read().strip(), 10.0, "the child has started")
    return int(spool.read().split()[-1])


async def test_a_call_runs_in_a_process_of_its_own(pool: DecodePool) -> None:
    assert await pool.run(children.process_id) != os.getpid()


async def test_each_child_that_ends_in_the_middle_of_a_call_is_told_of() -> None:
    endings: list[str] = []
    async with DecodePool(StageSettings(processes=1), PRELOAD, on_child_end=endings.append) as pool:
        assert await code_of(pool.run(children.segfault)) == "decoder-crashed"
        assert await pool.run(children.process_id)
    assert endings == ["decoder-crashed", "decoder-crashed"]


async def test_a_rejection_arrives_whole(pool: DecodePool) -> None:
    with pytest.raises(Rejection) as caught:
        await pool.run(children.reject)
    rejection = caught.value
    assert (rejection.code, rejection.message, rejection.details) == (
        "corrupt-image",
        "the picture is damaged",
        {"limit": 3},
    )


async def test_a_child_keeps_the_memory_of_one_picture_for_the_next(pool: DecodePool) -> None:
    assert await pool.run(children.take_twice, 8 * MEGABYTE, 5) < 100


async def test_bytes_travel_there_and_back_in_spools(pool: DecodePool) -> None:
    async def content() -> AsyncIterator[bytes]:
        for letter in (b"a", b"b", b"c"):
            yield letter * 300_000

    with Spool() as source, Spool() as target:
        await source.fill(content())
        assert await pool.run(children.copy, source, target) == 900_000
        chunks = [chunk async for chunk in target.chunks()]
    assert max(map(len, chunks)) == 255 * 1024
    assert b"".join(chunks) == b"a" * 300_000 + b"b" * 300_000 + b"c" * 300_000


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        (children.hang, (), "decode-timeout"),
        (children.die, (signal.SIGXCPU,), "decode-timeout"),
        (children.take, (1024 * MEGABYTE,), "decode-out-of-memory"),
        (children.die, (signal.SIGKILL,), "decode-out-of-memory"),
        (children.segfault, (), "decoder-crashed"),
        (children.die, (signal.SIGABRT,), "decoder-crashed"),
        (children.blunder, (), "decoder-crashed"),
        (children.answer_with_a_path, (), "decoder-crashed"),
    ],
)
async def test_every_end_of_a_child_has_its_code(
    pool: DecodePool, call: Callable[..., object], arguments: tuple[object, ...], code: str
) -> None:
    assert await code_of(pool.run(call, *arguments)) == code
    assert await pool.run(children.take, 10) == 10


@pytest.mark.parametrize(
    "answer",
    [
        ("returned",),
        ("returned", "what the function does not return"),
        ("rejected", "corrupt-image", "a message", 3),
        ("rejected", "corrupt-image", "a message", {"code": "another"}),
        ("rejected", "no-such-code", "a message", {}),
        ("rejected", "corrupt-image", "a message\x1b]0;that commands a terminal\x07", {}),
        ("rejected", "corrupt-image", "a message\n", {}),
        ("rejected", "corrupt-image", "a message" * 10_000, {}),
        ("something else",),
        7,
    ],
)
async def test_an_answer_that_the_sandbox_would_not_give_is_a_crash(pool: DecodePool, answer: object) -> None:
    assert await code_of(pool.run(children.forge, json.dumps(answer).encode())) == "decoder-crashed"
    assert await pool.run(children.take, 10) == 10


DECODED = {
    "format": "JPEG",
    "encoded_as": "JPEG",
    "width": 4,
    "height": 3,
    "is_animated": False,
    "placeholder": "1QcSHQRnh493V4dIh4eXh1h4kJUI",
    "preview_as": None,
}


@pytest.mark.parametrize(
    "lie",
    [
        {"width": -4},
        {"height": 1 << 63},
        {"encoded_as": "HTML"},
        {"placeholder": "A" * 100_000},
        {"placeholder": "\x1b[2J"},
        {"placeholder": "AAAA\n"},
    ],
)
async def test_what_a_child_says_of_a_picture_has_bounds(pool: DecodePool, lie: dict[str, object]) -> None:
    def answer(value: object) -> bytes:
        return json.dumps(("returned", value)).encode()

    assert (await pool.run(children.forge_decoded, answer(DECODED))).width == 4
    assert await code_of(pool.run(children.forge_decoded, answer(DECODED | lie))) == "decoder-crashed"


@pytest.mark.parametrize("width", [0, -1, 1 << 63])
async def test_what_a_child_says_of_a_thumbnail_has_bounds(pool: DecodePool, width: int) -> None:
    answer = json.dumps(("returned", {"width": width, "height": 3})).encode()
    assert await code_of(pool.run(children.forge_shrunk, answer)) == "decoder-crashed"


PICKLED_INTO_MUCH_MEMORY = pickle.BININT1 + b"\5" + pickle.LONG_BINPUT + (1 << 27).to_bytes(4, "little") + pickle.STOP


@pytest.mark.parametrize("answer", [PICKLED_INTO_MUCH_MEMORY, b"[" * 100_000, b'["returned', b"\xff"])
async def test_an_answer_is_read_as_json_and_as_nothing_else(pool: DecodePool, answer: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert await code_of(pool.run(children.forge, answer)) == "decoder-crashed"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTE // 8  # kibibytes
    assert await pool.run(children.take, 10) == 10


async def test_a_busy_child_is_tried_once_more_in_a_fresh_one_and_both_are_gone(pool: DecodePool) -> None:
    with Spool() as started_here:
        assert await code_of(pool.run(children.spin, started_here)) == "decode-timeout"
        first, second = map(int, started_here.read().split())
    assert first != second
    await gone(first)
    await gone(second)


async def test_a_dying_child_leaves_its_neighbours_alone(pool: DecodePool) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(code_of, pool.run(children.segfault))
        assert [await pool.run(children.take, size) for size in range(20)] == list(range(20))


async def test_a_cancelled_call_ends_its_child(pool: DecodePool) -> None:
    with Spool() as started_here:
        async with anyio.create_task_group() as group:
            group.start_soon(pool.run, children.hang, started_here)
            child = await started(started_here)
            group.cancel_scope.cancel()
    await gone(child)
    assert await pool.run(children.take, 1) == 1


async def test_children_killed_at_random_never_stop_the_pool(pool: DecodePool) -> None:
    chance = random.Random(4)
    codes = {"decode-out-of-memory"}
    answered = 0

    async def calls() -> None:
        nonlocal answered
        for size in range(40):
            try:
                assert await pool.run(children.take, size) == size
            except Rejection as rejection:
                codes.add(rejection.code)
            answered += 1

    async def killer() -> None:
        while True:
            child = await pool.run(children.process_id)
            await anyio.sleep(chance.random() / 50)
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue

    async with anyio.create_task_group() as group:
        group.start_soon(killer)
        async with anyio.create_task_group() as callers:
            for _ in range(5):
                callers.start_soon(calls)
        group.cancel_scope.cancel()
    assert answered == 200
    assert codes == {"decode-out-of-memory"}


async def test_the_pool_outlives_its_fork_server(pool: DecodePool) -> None:
    server = parent = await pool.run(children.parent_id)
    os.kill(server, signal.SIGKILL)
    # The kernel takes a moment to end the children of a server that is gone.
    with anyio.fail_after(30):
        while parent == server:
            with suppress(Outage):
                parent = await pool.run(children.parent_id)
    assert [await pool.run(children.take, size) for size in range(5)] == list(range(5))


async def test_a_fork_server_that_ends_is_no_fault_of_the_pictures_in_its_children(pool: DecodePool) -> None:
    server = await pool.run(children.parent_id)
    with Spool() as started_here:
        async with anyio.create_task_group() as group:

            async def call() -> None:
                with pytest.raises(Outage):
                    await pool.run(children.hang, started_here)

            group.start_soon(call)
            await started(started_here)
            os.kill(server, signal.SIGKILL)
    assert await pool.run(children.take, 1) == 1


async def test_without_threads_no_picture_is_at_fault(pool: DecodePool) -> None:
    usual = threading.stack_size(1 << 46)  # more than there are addresses for
    try:
        with pytest.raises(Outage):
            await pool.run(children.reject_without_threads)
    finally:
        threading.stack_size(usual)


async def test_a_child_does_not_keep_its_picture_in_hand_by_saying_that_there_are_no_threads(pool: DecodePool) -> None:
    assert await code_of(pool.run(children.reject_without_threads)) == "decode-out-of-memory"


async def test_a_limit_on_the_processor_time_of_the_worker_stays() -> None:
    async with DecodePool(StageSettings(processes=1), PRELOAD) as pool:
        resource.prlimit(await pool.run(children.process_id), resource.RLIMIT_CPU, (3000, 3000))

        assert (await pool.run(children.rights)).limits["CPU"][1] == 3000


async def test_children_are_replaced_regularly() -> None:
    async with DecodePool(StageSettings(processes=1), PRELOAD) as pool:
        seen = {await pool.run(children.process_id) for _ in range(MAX_TASKS + 1)}
    assert len(seen) == 2


async def test_no_child_serves_two_owners() -> None:
    async with DecodePool(StageSettings(processes=2), PRELOAD) as pool:
        anna, berta, clara = (pool.of(owner) for owner in ("anna", "berta", "clara"))
        first, other = await anna.run(children.process_id), await berta.run(children.process_id)
        assert first != other
        # Those of owners who come again are kept, as long as there is another to make way.
        assert [await each.run(children.process_id) for each in (anna, berta, anna)] == [first, other, first]
        assert await clara.run(children.process_id) not in (first, other)
        assert await anna.run(children.process_id) == first
        assert await berta.run(children.process_id) != other


async def test_a_child_has_few_rights(pool: DecodePool) -> None:
    rights = await pool.run(children.rights)
    assert rights.has_no_new_privileges
    assert not rights.has_capabilities
    assert rights.sockets == 1
    assert rights.limits["AS"] == (512 * MEGABYTE, 512 * MEGABYTE)
    assert rights.limits["CORE"] == (0, 0)
    assert rights.limits["NOFILE"] == (16, 16)
    assert 0 < rights.limits["CPU"][0] < 10
    with Spool() as target:
        assert await code_of(pool.run(children.write_at, target, MAX_RESULT_BYTES)) == "decoder-crashed"


async def test_a_child_reaches_no_network_no_program_no_process_and_no_file(pool: DecodePool, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    answers = await pool.run(children.forbidden, os.getpid(), file)
    assert {attempt for attempt, answer in answers.items() if answer != errno.EPERM} == set()
    assert file.read_text() == "kept"
    assert not file.with_name("beside").exists()
    assert await pool.run(children.in_a_thread) == 7


async def test_a_child_looks_into_no_file_but_the_programs(pool: DecodePool, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2")

    assert await pool.run(children.secrets, os.getpid(), file) == []


async def test_arguments_that_belong_in_a_spool_are_refused(pool: DecodePool) -> None:
    with pytest.raises(ValueError, match="spool"):
        await pool.run(children.take, bytes(MEGABYTE))


async def test_decoders_have_their_threads_where_stacks_may_be_larger_than_a_childs_memory() -> None:
    script = (
        "import anyio, resource\n"
        "from libs.shared.offload import DecodePool\n"
        "from libs.shared.settings import StageSettings\n"
        "from tests.support import children\n"
        "resource.setrlimit(resource.RLIMIT_STACK, (1 << 31, resource.getrlimit(resource.RLIMIT_STACK)[1]))\n"
        "async def main():\n"
        "    async with DecodePool(StageSettings(processes=1), [children.__name__]) as pool:\n"
        "        print(await pool.run(children.in_a_thread))\n"
        "anyio.run(main)\n"
    )
    ended = await anyio.run_process([sys.executable, "-c", script], cwd=Path(__file__).parents[3])
    assert ended.stdout == b"7\n"


async def test_pictures_stay_whole_where_python_writes_a_map_for_perf() -> None:
    script = (
        "import anyio\n"
        "from libs.shared.offload import DecodePool\n"
        "from libs.shared.settings import StageSettings\n"
        "from libs.shared.spool import Spool\n"
        "from tests.support import children\n"
        "async def main():\n"
        "    async with DecodePool(StageSettings(processes=1), [children.__name__]) as pool:\n"
        "        with Spool() as source, Spool() as target:\n"
        "            source.append(b'a picture')\n"
        "            await pool.run(children.copy, source, target)\n"
        "            print(source.read(), target.read())\n"
        "anyio.run(main)\n"
    )
    ended = await anyio.run_process(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[3], env=os.environ | {"PYTHONPERFSUPPORT": "1"}
    )
    assert ended.stdout == b"b'a picture' b'a picture'\n"


async def test_no_child_outlives_a_worker_that_was_killed() -> None:
    script = (
        "import anyio, sys\n"
        "from libs.shared.offload import DecodePool\n"
        "from libs.shared.settings import StageSettings\n"
        "from libs.shared.spool import Spool\n"
        "from tests.support import children\n"
        "async def main():\n"
        "    async with DecodePool(StageSettings(processes=1, deadline_seconds=60), [children.__name__]) as pool:\n"
        "        await pool.run(children.hang, Spool(int(sys.argv[1])))\n"
        "anyio.run(main)\n"
    )
    with Spool() as started_here:
        async with await anyio.open_process(
            [sys.executable, "-c", script, str(started_here.descriptor)],
            pass_fds=[started_here.descriptor],
            cwd=Path(__file__).parents[3],
        ) as worker:
            child = await started(started_here)
            worker.kill()
    await gone(child)
