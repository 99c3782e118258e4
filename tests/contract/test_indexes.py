"""Indexes that others made in Album's database end nothing."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import ASCENDING, IndexModel, MongoClient
from pymongo.database import Database
from structlog.testing import capture_logs

from libs.shared import indexes, mongo
from libs.shared.settings import SharedSettings
from tests.support.stack import StartStack
from tests.support.waiting import eventually

NEEDED = IndexModel([("expire_at", ASCENDING)], expireAfterSeconds=0)
BESIDE = IndexModel([("at", ASCENDING)])


def of_operator(mongo_url: str, name: str) -> Database[dict[str, Any]]:
    return MongoClient[dict[str, Any]](mongo_url)[name]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "there",
    [
        {"name": "of_the_operator", "expireAfterSeconds": 0},
        {"name": "explicit", "expireAfterSeconds": 0, "sparse": False},
        {},
    ],
    ids=["alike", "explicit", "other"],
)
async def test_an_index_that_is_there_already_is_used_or_said_to_be_in_the_way(
    mongo_url: str, database: str, there: dict[str, Any]
) -> None:
    client = mongo.connect(SharedSettings(mongo_url=mongo_url))
    collection = client[database]["things" + there.get("name", "")]
    made = await collection.create_index([("expire_at", ASCENDING)], **there)

    with capture_logs() as said:
        await indexes.ensure(collection, NEEDED, BESIDE)

    assert sorted(await collection.index_information()) == sorted(["_id_", made, "at_1"])
    in_the_way = [(line["collection"], line["index"]) for line in said if "is in the way" in line["event"]]
    assert in_the_way == ([] if there else [("things", ["expire_at_1"])])
    client.close()


@pytest.mark.anyio
async def test_an_index_of_the_same_name_whose_fields_are_in_another_order_is_said_to_be_in_the_way(
    mongo_url: str, database: str
) -> None:
    client = mongo.connect(SharedSettings(mongo_url=mongo_url))
    collection = client[database]["things"]
    await collection.create_index([("n", ASCENDING), ("files_id", ASCENDING)], name="files_id_1_n_1")

    with capture_logs() as said:
        await indexes.ensure(collection, IndexModel([("files_id", ASCENDING), ("n", ASCENDING)]))

    assert [line["index"] for line in said if "is in the way" in line["event"]] == [["files_id_1_n_1"]]
    client.close()


def test_everything_works_where_an_operator_made_indexes_under_names_of_his_own(
    start_stack: StartStack, mongo_url: str, database: str
) -> None:
    found = of_operator(mongo_url, database)
    found["images"].create_index([("expire_at", ASCENDING)], name="of_the_operator", expireAfterSeconds=0)
    found["fs.chunks"].create_index([("files_id", ASCENDING), ("n", ASCENDING)], name="files", unique=True)
    found["audit"].create_index([("time", ASCENDING)], name="times")

    stack = start_stack(audits=1, ALBUM_DATABASE=database)

    last = "webhook_id_1_create_date_-1__id_-1"
    eventually(lambda: last in found["webhook_deliveries"].index_information(), what="all indexes are made")
    eventually(lambda: "event_id_1" in found["audit"].index_information(), what="those of the audit log, too")
    assert all(process.is_running for process in stack.processes.values())
