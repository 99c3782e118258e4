"""What a check of the store finds, counts and remembers of how far it got."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from libs.catalog.catalog import Catalog
from libs.shared.events import utc_now
from libs.shared.mongo import Document, patiently

Kind = Literal[
    "missing-blob",
    "damaged-blob",
    "wrong-hash",
    "unreadable-record",
    "stuck-image",
    "unfinished-upload",
    "unfinished-deletion",
    "orphan-file",
    "orphan-chunks",
]
Pass = Literal["albums", "images", "files", "chunks"]

RESUME_WITHIN = timedelta(days=1)
"""How long an interrupted run may be continued: after that, what it saw at its beginning says little."""


@dataclass(frozen=True)
class Options:
    """What a run does.

    Attributes:
        repair: put right what can be, instead of only telling.
        hash: read every blob that an image names and compare its hash.
        horizon: how old something must be before it counts as left behind rather than under way.
    """

    repair: bool = False
    hash: bool = False
    horizon: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be. ``subject`` is the id of an image, album or blob."""

    kind: Kind
    subject: str
    detail: str
    bytes: int = 0
    is_repaired: bool = False


@dataclass
class Count:
    """How many of a kind were found and repaired, and their bytes."""

    found: int = 0
    repaired: int = 0
    bytes: int = 0


@dataclass
class Report:
    """What a run has seen so far; ``at`` is the pass it is in, None when it is done."""

    started_at: datetime
    at: Pass | None = "albums"
    last: str = ""
    finished_at: datetime | None = None
    is_resumed: bool = False
    checked: dict[str, int] = field(default_factory=dict)
    findings: dict[str, Count] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """How many findings are not repaired."""
        return sum(count.found - count.repaired for count in self.findings.values())


async def is_due(catalog: Catalog, name: str, interval: timedelta) -> bool:
    """Whether the last run of this name ended longer ago than the interval, or did not end."""
    done = {"_id": name, "report.finished_at": {"$gt": utc_now() - interval}}
    return await patiently(lambda: catalog.fsck.find_one(done, {"_id": 1})) is None


async def resumed(catalog: Catalog, name: str, options: Options) -> Report | None:
    """What a run of this name and with these options has left, if it was interrupted."""
    wanted = {
        "_id": name,
        "options": _stored(options),
        "report.finished_at": None,
        "report.started_at": {"$gt": utc_now() - RESUME_WITHIN},
    }
    document = await patiently(lambda: catalog.fsck.find_one(wanted))
    if document is None:
        return None
    return _report(document["report"] | {"is_resumed": True})


async def reports(catalog: Catalog) -> dict[str, Report]:
    """The last run of each name: finished, under way, or interrupted."""
    documents = await patiently(lambda: catalog.fsck.find().to_list(None))
    return {document["_id"]: _report(document["report"]) for document in documents}


async def count_left(catalog: Catalog) -> int:
    """How many findings the last run has left, whatever its name; of one under way, so far."""
    document = await catalog.fsck.find_one(sort=[("report.started_at", -1)])
    return _report(document["report"]).left if document else 0


async def save(catalog: Catalog, name: str, options: Options, report: Report) -> None:
    """Remember how far a run has got."""
    document = {"options": _stored(options), "report": asdict(report)}
    await patiently(lambda: catalog.fsck.replace_one({"_id": name}, document, upsert=True))


def _report(stored: Document) -> Report:
    return Report(**{**stored, "findings": {kind: Count(**count) for kind, count in stored["findings"].items()}})


def _stored(options: Options) -> Document:
    return {"repair": options.repair, "hash": options.hash, "horizon_seconds": options.horizon.total_seconds()}
