"""Sessions of the web page: a key turned into a random token that a cookie can carry and that ends."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.catalog.catalog import Catalog
from libs.catalog.keys import Key, digest
from libs.shared.events import utc_now
from libs.shared.mongo import Document, patiently


@dataclass(frozen=True)
class Session:
    """A sign-in that goes on until ``expire_date``, as long as its key is valid."""

    key: Key
    expire_date: datetime

    @property
    def is_valid(self) -> bool:
        """Whether it opens anything now."""
        return self.key.is_valid and utc_now() < self.expire_date


async def open_session(catalog: Catalog, key: Key, lifetime: timedelta) -> tuple[Session, str]:
    """Begin a session. Returns it with its token, of which only a hash is kept."""
    token = secrets.token_hex(32)
    expire_date = utc_now() + lifetime
    if key.expire_date is not None:
        expire_date = min(expire_date, key.expire_date)
    document = {"_id": digest(token), "key_id": key.id, "expire_date": expire_date}
    await patiently(lambda: catalog.sessions.replace_one({"_id": document["_id"]}, document, upsert=True))
    return Session(key, expire_date), token


async def find_session(catalog: Catalog, token: str) -> Session | None:
    """The session that a token is for, if it and its key are valid."""
    pipeline: list[Document] = [
        {"$match": {"_id": digest(token)}},
        {"$lookup": {"from": "keys", "localField": "key_id", "foreignField": "_id", "as": "keys"}},
        {"$unwind": "$keys"},
    ]
    found = await patiently(lambda: catalog.sessions.aggregate(pipeline).to_list(1))
    if not found:
        return None
    session = Session(Key.model_validate(found[0]["keys"]), found[0]["expire_date"])
    return session if session.is_valid else None


async def close_session(catalog: Catalog, token: str) -> None:
    """End a session."""
    await patiently(lambda: catalog.sessions.delete_one({"_id": digest(token)}))
