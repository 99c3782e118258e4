"""One place for a decode child: starts it, calls it, and tells how it ended."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess

import anyio

from libs.shared import sandbox
from libs.shared.errors import Outage
from libs.shared.sandbox import ChildLimits

MAX_TASKS = 500
"""After so many calls a child makes way for a fresh one, so that whatever a decoder leaks stays small."""

_START_SECONDS = 30
_UNKNOWN = 255
"""What multiprocessing takes for the exit code of a child that nobody tells about any more."""


class ChildEnded(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ChildSlot:
    """A place for one child at a time, filled again when it is needed."""

    def __init__(self, limits: ChildLimits, modules: Sequence[str], thread: ThreadPoolExecutor) -> None:
        self._limits = limits
        self._modules = modules
        self._thread = thread
        self._process: ForkServerProcess | None = None
        self._channel: socket.socket | None = None
        self._calls = 0
        self._server: int | None = None
        self.owner: str | None = None
        """Whose picture the child was given last."""

    async def call(self, owner: str | None, message: bytes, descriptors: list[int], deadline_seconds: float) -> bytes:
        """Send one call and wait for its answer. A child that was given another owner's picture makes way first.

        Raises:
            ChildEnded: there will be none. The next call gets a fresh child.
            Outage: there will be none, and the machine is at fault.
        """
        if self._calls and self.owner != owner:
            await self.end()
        channel = await self.start()
        self.owner = owner
        self._calls += 1
        answer = b""
        try:
            with anyio.fail_after(deadline_seconds):
                socket.send_fds(channel, [message], descriptors)
                await _until_readable(channel)
            answer = channel.recv(sandbox.MAX_MESSAGE_BYTES + 1)
        except TimeoutError:
            raise ChildEnded("decode-timeout") from None
        except OSError:
            pass  # It died before it took the call: the same as an empty answer.
        finally:
            if not answer:
                code = await self.end()
        if not answer:
            if code is None:
                raise Outage("a decode process ended with the fork server")
            raise ChildEnded(_code_of(code))
        if answer == sandbox.OUT_OF_MEMORY:
            await self.end()
            raise ChildEnded("decode-out-of-memory")
        if answer == sandbox.NO_THREADS:
            await self.end()
            # The child's word alone does not count: one that was taken over would keep its picture in hand for good.
            if not sandbox.can_start_threads():
                raise Outage("this machine has no threads left for decoders")
            raise ChildEnded("decode-out-of-memory")
        return answer

    async def start(self) -> socket.socket:
        """The channel to a living child that may still be used.

        Raises:
            Outage: none could be started.
        """
        if self._channel is not None and (self._calls >= MAX_TASKS or _is_readable(self._channel)):
            await self.end()
        if self._channel is None:
            try:
                # Shielded, or a child that starts after a cancelled call would belong to nobody.
                with anyio.CancelScope(shield=True):
                    await asyncio.get_running_loop().run_in_executor(self._thread, self._start)
            except (OSError, EOFError) as error:
                raise Outage("no decode process could be started") from error
            await self._await_readiness()
        assert self._channel is not None
        return self._channel

    async def _await_readiness(self) -> None:
        assert self._channel is not None
        is_ready = False
        try:
            with anyio.move_on_after(_START_SECONDS):
                await _until_readable(self._channel)
                is_ready = self._channel.recv(sandbox.MAX_MESSAGE_BYTES) == sandbox.READY
        finally:
            if not is_ready:
                await self.end()
        if not is_ready:
            raise Outage("a decode process ended before it was ready")

    async def end(self) -> int | None:
        """Kill the child, if there is one.

        Returns:
            Its exit code, negative for a signal; None if there was none, or if the fork server took it along.
        """
        process, channel = self._process, self._channel
        self._process = self._channel = None
        if process is None or channel is None:
            return None
        had_ended = _is_readable(channel)
        channel.close()
        code: int | None = None
        with anyio.CancelScope(shield=True):
            code = await asyncio.get_running_loop().run_in_executor(
                self._thread, _reap, process, had_ended, self._server
            )
        return code

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            process = multiprocessing.get_context("forkserver").Process(
                target=sandbox.serve, args=(theirs, self._limits, self._modules), name="album-decode", daemon=True
            )
            try:
                process.start()
            except (OSError, EOFError):
                ours.close()
                raise
        self._process, self._channel, self._calls = process, ours, 0
        self._server = _fork_server()


def _reap(process: ForkServerProcess, had_ended: bool, server: int | None) -> int | None:
    if had_ended:
        process.join(1.0)
    if process.exitcode is None:
        process.kill()
        process.join()
    return None if process.exitcode == _UNKNOWN and _has_ended(server) else process.exitcode


def _fork_server() -> int | None:
    server: int | None = vars(forkserver)["_forkserver"]._forkserver_pid
    return server


def _has_ended(server: int | None) -> bool:
    """Whether the children of this fork server were killed by its end: it does not survive a fork that is refused."""
    if server is None or server != _fork_server():
        return True
    return os.waitid(os.P_PID, server, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _is_readable(channel: socket.socket) -> bool:
    """Whether something came unasked: its end, then, or the work of a child taken over."""
    try:
        channel.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


async def _until_readable(channel: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(channel.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(channel.fileno())


def _code_of(exit_code: int | None) -> str:
    if exit_code == -signal.SIGKILL:  # Not by us: the kernel ran out of memory.
        return "decode-out-of-memory"
    return "decode-timeout" if exit_code == -signal.SIGXCPU else "decoder-crashed"
