"""How much an owner stores. Counted when it is asked for: docs/decisions/0019."""

from __future__ import annotations

from libs.catalog.catalog import Catalog
from libs.catalog.records import VISIBLE
from libs.shared.mongo import Document, patiently


async def stored_bytes(catalog: Catalog, owner: str) -> int:
    """The bytes of an owner's uploads, as far as they are kept, and pictures. An index alone answers this."""
    original = {"$cond": [{"$eq": ["$is_original_kept", False]}, 0, "$original.length"]}
    pipeline: list[Document] = [
        {"$match": {"owner": owner, "state": {"$in": VISIBLE}}},
        {"$group": {"_id": None, "bytes": {"$sum": {"$add": [original, {"$ifNull": ["$encoded.length", 0]}]}}}},
    ]
    found = await patiently(lambda: catalog.images.aggregate(pipeline).to_list(1))
    return int(found[0]["bytes"]) if found else 0
