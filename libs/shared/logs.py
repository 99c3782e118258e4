"""One way to log for every process: JSON lines for machines, readable lines on a terminal."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from libs.shared import tracing
from libs.shared.settings import SharedSettings


def configure(service: str, settings: SharedSettings) -> None:
    """Send this process's logs, and those of its libraries, to standard error.

    Args:
        service: the name that every line carries.
        settings: ``log_level`` and ``log_format`` (json, text, or auto).
    """
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if as_text
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in ("pymongo", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for silent in ("aiormq", "aio_pika"):
        # They report as errors what our own connect-declare-consume loop handles and logs once.
        logging.getLogger(silent).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level.upper())),
        # Not through the standard library's loggers, as what libraries log: that takes twice as long.
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)


# One for all, since each keeps for itself what it has put together on first use.
_LOGGER: FilteringBoundLogger = structlog.get_logger()


def _add_trace(logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
    line.update(tracing.ids())
    return line


class _StandardError:
    """Standard error as far as it takes anything: a log that is full, or that nobody reads any more, stops no work."""

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def get_logger() -> FilteringBoundLogger:
    """A structured logger; its calls take an event name in words and fields."""
    return _LOGGER
