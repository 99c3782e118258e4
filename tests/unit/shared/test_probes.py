"""Health and metrics of processes that serve no HTTP of their own."""

from __future__ import annotations

import threading
from functools import partial

import anyio
import anyio.to_thread
import httpx
import pytest

from libs.shared import probes
from libs.shared.metrics import Metrics
from libs.shared.settings import RuntimeSettings
from tests.support.waiting import eventually

ANY_PORT = RuntimeSettings(metrics_port=0)


async def get(port: int | None, path: str, method: str = "GET") -> httpx.Response:
    ask = partial(httpx.request, method, f"http://127.0.0.1:{port}{path}", timeout=30)
    return await anyio.to_thread.run_sync(ask)


async def ready_and_not() -> list[tuple[int, dict[str, str]]]:
    answers = []
    is_up = {"broker": True}
    with probes.serve(ANY_PORT, Metrics(), {"broker": lambda: is_up["broker"], "database": lambda: True}) as port:
        for is_up["broker"] in (True, False):
            answer = await get(port, "/readyz")
            answers.append((answer.status_code, answer.json()["checks"]))
    return answers


def test_ready_is_who_has_all_it_needs() -> None:
    assert anyio.run(ready_and_not) == [
        (200, {"broker": "up", "database": "up"}),
        (503, {"broker": "down", "database": "up"}),
    ]


async def asked_with_head() -> list[tuple[int, bool, bytes]]:
    with probes.serve(ANY_PORT, Metrics(), {"broker": lambda: False}) as port:
        answers = [await get(port, path, "HEAD") for path in ("/livez", "/readyz", "/metrics", "/nothing")]
    return [(answer.status_code, int(answer.headers["content-length"]) > 0, answer.content) for answer in answers]


def test_head_is_answered_like_get_without_the_body() -> None:
    assert anyio.run(asked_with_head) == [(status, True, b"") for status in (200, 503, 200, 404)]


async def asked_with_a_query() -> list[int]:
    with probes.serve(ANY_PORT, Metrics(), {"broker": lambda: True}) as port:
        return [(await get(port, path)).status_code for path in ("/readyz?verbose", "/metrics?name[]=up", "/?/livez")]


def test_a_query_is_passed_over() -> None:
    assert anyio.run(asked_with_a_query) == [200, 200, 404]


async def asked_while_the_loop_hangs() -> tuple[int, int]:
    with probes.serve(ANY_PORT, Metrics(), {"broker": lambda: False}) as port:
        before = (await get(port, "/livez")).status_code
        answers: list[httpx.Response] = []
        ask = threading.Thread(target=lambda: answers.append(httpx.get(f"http://127.0.0.1:{port}/livez", timeout=30)))
        ask.start()
        eventually(lambda: answers, what="an answer, though the loop never gets to run")
    return before, answers[0].status_code


def test_a_process_lives_as_long_as_its_loop_runs_whether_it_is_ready_or_not() -> None:
    assert anyio.run(asked_while_the_loop_hangs) == (200, 503)


async def serve_nothing() -> int | None:
    with probes.serve(RuntimeSettings(metrics_port=None), Metrics(), {}) as port:
        return port


def test_without_a_port_nothing_listens() -> None:
    assert anyio.run(serve_nothing) is None


async def serve_at(port: int) -> None:
    with probes.serve(RuntimeSettings(metrics_port=port), Metrics(), {}):
        pass


async def serve_twice() -> None:
    with probes.serve(ANY_PORT, Metrics(), {}) as port:
        assert port is not None
        with pytest.raises(OSError, match="in use"):
            await serve_at(port)


def test_a_port_that_is_taken_is_no_secret() -> None:
    anyio.run(serve_twice)
