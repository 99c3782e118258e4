"""Whether the promise was kept: what an undisturbed run would have left, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pymongo.database import Database

from libs.shared.events import Envelope
from libs.shared.ports import BLOB_KINDS


def orphans(database: Database[dict[str, Any]]) -> list[str]:
    """Blobs, by kind and id, that no image refers to, and chunks that belong to no blob."""
    named = {
        image[kind]["blob_id"]
        for image in database["images"].find({"state": {"$nin": ["deleted", "receiving"]}})
        for kind in BLOB_KINDS
        if image.get(kind)
    }
    files = {blob["_id"]: blob["metadata"]["kind"] for blob in database["fs.files"].find()}
    loose = set(database["fs.chunks"].distinct("files_id")) - set(files)
    return sorted([f"{kind} {blob_id}" for blob_id, kind in files.items() if blob_id not in named]) + [
        f"chunks {blob_id}" for blob_id in sorted(loose)
    ]


def broken_promises(database: Database[dict[str, Any]], seen: Sequence[Envelope] | None = None) -> list[str]:
    """What is wrong with the images of a stack that has settled, one sentence each.

    Args:
        database: what its services keep.
        seen: what a subscriber of the public exchange got from the beginning on, if there was one.
    """
    images = {image["_id"]: image for image in database["images"].find()}
    files: dict[str, list[str]] = defaultdict(list)
    for blob in database["fs.files"].find():
        files[blob["metadata"]["image_id"]].append(blob["metadata"]["kind"])
    logged: dict[str, list[int]] = defaultdict(list)
    for event in database["events"].find({"is_public": True}).sort("sequence"):
        logged[event["subject"]].append(event["sequence"])
    wrong = [
        f"an event of {event['subject']} was never published"
        for event in database["events"].find({"pending": {"$gt": ""}})
    ]
    told = _first_occurrences(seen or ())
    for image_id, image in images.items():
        about = f"image {image_id}"
        if image["state"] not in ("ready", "failed", "deleted"):
            wrong.append(f"{about} is still {image['state']}")
            continue
        if image["state"] == "ready":
            wrong += [f"{about} has no {kind}" for kind in ("encoded", "thumbnail") if kind not in files[image_id]]
        if image["state"] == "failed" and not image.get("code"):
            wrong.append(f"{about} failed without a code")
        if logged[image_id] != [*range(1, image["sequence"] + 1)]:
            wrong.append(f"{about} has the events {logged[image_id]}, not 1 to {image['sequence']}")
        if seen is not None and told[image_id] != logged[image_id]:
            wrong.append(f"{about} told subscribers {told[image_id]}, not {logged[image_id]}")
    return wrong


def _first_occurrences(seen: Sequence[Envelope]) -> dict[str, list[int]]:
    """By subject, the numbers of its events in the order in which each came first."""
    told: dict[str, list[int]] = defaultdict(list)
    for envelope in seen:
        number = envelope.sequence or 0
        if number not in told[envelope.subject]:
            told[envelope.subject].append(number)
    return told
