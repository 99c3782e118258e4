"""What Album stored and said before its database had versions, as the very first commit (e3e94a7) did it.

Recorded, not written, and never changed. Two pictures were uploaded, a sound and a torn one, while no decoder had a
queue: `database.json` and `indexes.json` are what was there then, with two events unpublished. Then the stages ran:
`messages.json` has what passed through `album.work`, `results.json` the blobs that the stages wrote. At last the
thumbnail was deleted and asked for, hence the request for another one.
"""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from bson.json_util import RELAXED_JSON_OPTIONS, JSONOptions, loads
from pymongo.database import Database

from libs.shared.events import Envelope, Event, rfc3339, utc_now

RECORDED = Path(__file__).with_name("first_version")
_OPTIONS: JSONOptions = RELAXED_JSON_OPTIONS.with_options(tz_aware=True)

Body = dict[str, Any]


def store(database: Database[dict[str, Any]]) -> None:
    """Make an empty database the one that the first version left behind, as if that had been just now."""
    _insert(database, "database.json")
    for collection, indexes in json.loads((RECORDED / "indexes.json").read_text()).items():
        for index in indexes:
            options = {name: value for name, value in index.items() if name != "key"}
            database[collection].create_index(list(index["key"].items()), **options)
    # Else the log would expire, and the reconciler would give up waiting.
    database["events"].update_many({}, {"$set": {"expire_at": utc_now() + timedelta(days=30)}})
    database["images"].update_many({}, {"$set": {"check_at": utc_now() + timedelta(hours=1)}})


def store_results(database: Database[dict[str, Any]]) -> None:
    """Add the blobs that the first version's stages wrote."""
    _insert(database, "results.json")


def messages(event: type[Event]) -> list[Body]:
    """The messages of one kind, in the order in which they were sent."""
    recorded: list[Body] = json.loads((RECORDED / "messages.json").read_text())
    return [body for body in recorded if Envelope.model_validate(body).routing_key == event.routing_key]


def told() -> list[Body]:
    """The events of its log, as it told them to the public: as if just now, and about new subjects."""
    bodies: list[Body] = []
    for recorded in json.loads((RECORDED / "database.json").read_text())["events"]:
        body: Body = recorded["envelope"]
        text = json.dumps(body).replace(body["subject"], str(uuid4())).replace(body["id"], str(uuid4()))
        bodies.append(json.loads(text) | {"time": rfc3339(utc_now())})
    return bodies


def as_of_a_later_day(body: Body) -> Body:
    """The message as a version might send it that has added to it."""
    later = copy.deepcopy(body)
    later["partitionkey"] = "7"
    later["data"]["colour"] = {"primaries": [9, 16]}
    for value in later["data"].values():
        if isinstance(value, dict) and "blob_id" in value:
            value["storage"] = "elsewhere"
    return later


def _insert(database: Database[dict[str, Any]], name: str) -> None:
    for collection, documents in loads((RECORDED / name).read_text(), json_options=_OPTIONS).items():
        database[collection].insert_many(documents)
