"""Makes indexes in a database where others may be already: an operator's, an adviser's, another program's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo import IndexModel
from pymongo.errors import OperationFailure

from libs.shared.logs import get_logger
from libs.shared.mongo import Collection

_IN_THE_WAY = frozenset({85, 86})  # IndexOptionsConflict, IndexKeySpecsConflict
_OPTIONS = ("unique", "sparse", "expireAfterSeconds", "partialFilterExpression", "collation")


async def ensure(collection: Collection, *indexes: IndexModel) -> None:
    """Make those that are not there, under whatever name.

    What cannot be made beside another one is for the operator to decide: the log says so, and all goes on without it.
    """
    try:
        await collection.create_indexes(list(indexes))
    except OperationFailure as error:
        if error.code not in _IN_THE_WAY:
            raise
        if len(indexes) > 1:
            for index in indexes:
                await ensure(collection, index)
        else:
            await _judge(collection, indexes[0].document)


async def _judge(collection: Collection, wanted: Mapping[str, Any]) -> None:
    """Say which index is in the way, unless it does what the wanted one would."""
    there = await collection.index_information()
    alike = {name: index for name, index in there.items() if index["key"] == list(wanted["key"].items())}
    if not any(_options(index) == _options(wanted) for index in alike.values()):
        get_logger().error(
            "an index is in the way of one that is needed: drop it and start the service again",
            collection=collection.name,
            index=sorted({*alike, wanted["name"]} & there.keys()),
        )


def _options(index: Mapping[str, Any]) -> list[Any]:
    # To say that it is not unique is to say nothing of it.
    return [None if index.get(option) is False else index.get(option) for option in _OPTIONS]
