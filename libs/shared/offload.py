"""The decode pool: runs functions over hostile files in children that can be killed at any moment.

Our own, small, because the ready-made pools share locks and one pipe among their children. `ProcessPoolExecutor`
breaks as a whole when one child dies and cannot end a hung one. Pebble ends them, but takes the death of an idle child
for the end of the pool (``BrokenProcessPool``), and a child killed while it holds the shared lock stops the others for
good. Here every child has a socket of its own, nothing is shared, and the event loop waits on descriptors only.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from types import TracebackType
from typing import Annotated, Any, TypeVar, get_type_hints

import anyio
from pydantic import Field, TypeAdapter

from libs.shared import sandbox, tracing
from libs.shared.child import ChildEnded, ChildSlot
from libs.shared.errors import FailureCode, Rejection
from libs.shared.ports import Offload
from libs.shared.sandbox import ChildLimits
from libs.shared.settings import StageSettings

Result = TypeVar("Result")

MAX_RESULT_BYTES = 268_435_456
"""Most bytes that a child may write into one spool."""


class DecodePool:
    """Implements `libs.shared.ports.Offload` with child processes; use it as an async context manager.

    Results are plain data, or a dataclass of it. A child's answer is read as JSON and must fit the type that the
    function says it returns, since its decoder may have been taken over by a picture. It is not unpickled: whatever
    that may make, ten bytes can ask for more memory than there is.
    """

    def __init__(
        self,
        settings: StageSettings,
        preload: Sequence[str],
        *,
        on_child_end: Callable[[str], None] = lambda code: None,
    ) -> None:
        """Prepare a pool of ``settings.processes`` children.

        Args:
            settings: how many children, and what each may use.
            preload: modules that children find already imported, such as the one of the stage's handler; whatever a
                call needs beside them must be part of this program.
            on_child_end: told the failure code of each child that ends in the middle of a call.
        """
        self._settings = settings
        self._preload = preload
        self._on_child_end = on_child_end
        self._turns = anyio.Semaphore(settings.processes)
        self._idle: list[ChildSlot] = []
        # One thread: multiprocessing's bookkeeping of children must not be entered twice at once.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="album-children")
        self._all: list[ChildSlot] = []

    async def __aenter__(self) -> DecodePool:
        settings = self._settings
        sandbox.keep_stacks_small()
        limits = ChildLimits(settings.memory_bytes, MAX_RESULT_BYTES, settings.deadline_seconds)
        self._all = [ChildSlot(limits, self._preload, self._thread) for _ in range(settings.processes)]
        self._idle = list(self._all)
        multiprocessing.get_context("forkserver").set_forkserver_preload(list(self._preload))
        for slot in self._all:
            await slot.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            for slot in self._all:
                await slot.end()
        self._thread.shutdown()

    def of(self, owner: str | None) -> Offload:
        """The pool for one owner's pictures: no child that was given them is given another's, nor the other way round.

        A child that a picture has taken over could put what it sees afterwards into the next picture of its own owner.
        """
        return _Owned(self, owner)

    async def run(self, function: Callable[..., Result], /, *arguments: Any) -> Result:
        """Run an importable function in a child, for nobody in particular; see `libs.shared.ports.Offload`."""
        return await self.run_for(None, function, *arguments)

    async def run_for(self, owner: str | None, function: Callable[..., Result], /, *arguments: Any) -> Result:
        """Run an importable function in a child that no other owner's picture has been in.

        Raises:
            Rejection: the second child, too, overstayed the deadline or died (an error that is no Rejection ends it);
                or the function's own.
            Outage: no child could be started.
        """
        message, descriptors = sandbox.dump_call(function, arguments)
        if len(message) > sandbox.MAX_MESSAGE_BYTES:
            raise ValueError("arguments this large belong in a spool")
        async with self._turns:
            slot = self._take(owner)
            try:
                with tracing.span(function.__name__):
                    try:
                        answer = await self._call(slot, owner, message, descriptors)
                    except ChildEnded:
                        answer = await self._call(slot, owner, message, descriptors)
            except ChildEnded as ended:
                raise Rejection(ended.code, _ENDINGS[ended.code]) from None
            finally:
                self._idle.append(slot)
        return _result(answer, function)

    def _take(self, owner: str | None) -> ChildSlot:
        """The slot that was used last for this owner, else the one that has not been used for longest."""
        own = [place for place, slot in enumerate(self._idle) if slot.owner == owner]
        return self._idle.pop(own[-1] if own else 0)

    async def _call(self, slot: ChildSlot, owner: str | None, message: bytes, descriptors: list[int]) -> bytes:
        try:
            return await slot.call(owner, message, descriptors, self._settings.deadline_seconds)
        except ChildEnded as ended:
            self._on_child_end(ended.code)
            raise


class _Owned:
    """Implements `libs.shared.ports.Offload` for one owner."""

    def __init__(self, pool: DecodePool, owner: str | None) -> None:
        self._pool = pool
        self._owner = owner

    async def run(self, function: Callable[..., Result], /, *arguments: Any) -> Result:
        return await self._pool.run_for(self._owner, function, *arguments)


_ENDINGS = {
    "decode-timeout": "the picture takes too long to decode",
    "decode-out-of-memory": "the picture takes too much memory to decode",
    "decoder-crashed": "the picture makes the decoder crash",
}


_ANSWER: TypeAdapter[list[Any]] = TypeAdapter(list[Any])
_Sentence = Annotated[str, Field(pattern=r"^[ -~]{1,300}\z")]
"""It is stored, published and shown, so it must not be a megabyte or control a terminal."""
_REJECTED: TypeAdapter[tuple[FailureCode, str, dict[str, Any]]] = TypeAdapter(
    tuple[FailureCode, _Sentence, dict[str, Any]]
)


def _result(answer: bytes, function: Callable[..., Result]) -> Result:
    try:
        outcome, *content = _ANSWER.validate_json(answer)
        if outcome == "returned":
            [value] = content
            result: Result = _returned_by(function).validate_python(value)
            return result
        code, message, details = _REJECTED.validate_python(content)
        rejection = Rejection(code, message, **details)
    except (ValueError, TypeError):  # pydantic's errors are the former; details may have the name of a parameter
        raise Rejection("decoder-crashed", _ENDINGS["decoder-crashed"]) from None
    raise rejection


@lru_cache
def _returned_by(function: Callable[..., Any]) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(function, include_extras=True).get("return", Any))
