"""What is left after a bad day, compared with what was promised."""

from __future__ import annotations

import bisect
import statistics
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from rich.table import Table

from benchmarks.load import Load
from libs.shared.events import Envelope
from tests.support.events import subscribed
from tests.support.fsck import repair
from tests.support.promises import broken_promises, orphans
from tests.support.stack import Stack
from tests.support.waiting import eventually

Fingerprint = tuple[str, str]
"""The hashes of a picture's encoded form and of its thumbnail."""

LOG_SECONDS = 60.0


def fingerprints(stack: Stack, pictures: Sequence[bytes]) -> list[Fingerprint]:
    """What becomes of each picture while nothing happens to the stack."""
    with stack.client() as client:
        album_id = client.create("Undisturbed")
        jobs = [client.ready(album_id, content) for content in pictures]
    return [_fingerprint(stack, job["image_id"]) for job in jobs]


def _fingerprint(stack: Stack, image_id: str) -> Fingerprint:
    image = stack.database["images"].find_one({"_id": image_id})
    assert image is not None
    return image["encoded"]["sha256"], image["thumbnail"]["sha256"]


@dataclass
class Aftermath:
    """A stack that has settled, or was given up on.

    Attributes:
        settled_after: seconds from the end of the load to the last image; None if it took longer than is allowed.
        lasted: seconds of the whole run.
    """

    stack: Stack
    load: Load
    undisturbed: list[Fingerprint]
    settled_after: float | None
    lasted: float

    def breaches(self) -> list[str]:
        """Every promise that was broken, a sentence each."""
        database = self.stack.database
        wrong = [] if self.settled_after is not None else ["some images were neither ready nor failed in time"]
        wrong += broken_promises(database, self._told())
        wrong += [f"image {image_id} is lost" for image_id in self.load.accepted if not self._state(image_id)]
        wrong += self._differences()
        wrong += [f"a dead letter: {letter['code']} in {letter['queue']}" for letter in database["dead_letters"].find()]
        if left := repair(self.stack, hash=True).left:
            wrong.append(f"the check of the store could not repair {left} findings")
        wrong += [f"an orphan after the repairs: {orphan}" for orphan in orphans(database)]
        thumbnails = database["fs.files"].count_documents({"metadata.kind": "thumbnail"})
        if thumbnails != (ready := database["images"].count_documents({"state": "ready"})):
            wrong.append(f"there are {thumbnails} thumbnails of {ready} ready images")
        return wrong

    def _differences(self) -> list[str]:
        """What is not byte for byte as an undisturbed run makes it."""
        found = []
        for image_id, index in self.load.accepted.items():
            if self._state(image_id) == "ready":
                pairs = zip(
                    ("picture", "thumbnail"), _fingerprint(self.stack, image_id), self.undisturbed[index], strict=True
                )
                found += [
                    f"the {what} of image {image_id}, upload {index}, differs" for what, is_, was in pairs if is_ != was
                ]
        return found

    def codes(self) -> Counter[str]:
        """Why images failed, and how many did."""
        failed = self.stack.database["images"].find({"state": "failed"})
        return Counter(str(image["code"]) for image in failed)

    def ready_times(self) -> list[datetime]:
        """When images became ready, in order."""
        images = self.stack.database["images"].find({"state": "ready"})
        return sorted(step["at"] for image in images for step in image["timeline"] if step["event"] == "ready")

    def _state(self, image_id: str) -> str | None:
        image = self.stack.database["images"].find_one({"_id": image_id}, {"state": 1})
        return None if image is None else str(image["state"])

    def _told(self) -> list[Envelope]:
        """What the stream of all public events holds."""
        expected = {event["_id"] for event in self.stack.database["events"].find({"is_public": True}, {"_id": 1})}
        with subscribed(self.stack.environment["ALBUM_AMQP_URL"], to_log=True) as seen:
            with suppress(AssertionError):  # what is missing is found by comparing
                eventually(lambda: expected <= {envelope.id for envelope in list(seen)}, LOG_SECONDS)
            return list(seen)


def recovery_table(killed_at: Sequence[tuple[str, datetime]], aftermath: Aftermath, broken: Sequence[str]) -> Table:
    """How often what was killed, and how long it then took until the next image was ready."""
    ready = aftermath.ready_times()
    table = Table("", "count", "median s", "worst s", title="From the kill to the next image that is ready")
    for victim in dict.fromkeys(name for name, _ in killed_at):
        waits = []
        for name, at in killed_at:
            following = bisect.bisect_right(ready, at)
            if name == victim and following < len(ready):
                waits.append((ready[following] - at).total_seconds())
        table.add_row(
            f"{victim} killed",
            str(len(waits)),
            f"{statistics.median(waits or [0]):.2f}",
            f"{max(waits, default=0):.2f}",
        )
    table.add_section()
    settled = "not in time" if aftermath.settled_after is None else f"{aftermath.settled_after:.1f}"
    table.add_row("uploads accepted", str(len(aftermath.load.accepted)), "", f"{aftermath.lasted:.0f}")
    table.add_row("images ready", str(len(ready)), "", f"{settled} to settle")
    for code, count in aftermath.codes().items():
        table.add_row(f"images failed: {code}", str(count))
    for trouble, count in aftermath.load.troubles.most_common():
        table.add_row(f"answers: {trouble}", str(count))
    table.add_section()
    table.add_row("[red]promises broken" if broken else "[green]promises broken", str(len(broken)))
    return table
