"""API keys: who may call, for whom and for what. Why hashed and named like this: docs/decisions/0017."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, get_args

from pydantic import Field

from libs.catalog.albums import Caller
from libs.catalog.catalog import Catalog
from libs.catalog.records import Record
from libs.shared.errors import Refusal
from libs.shared.events import utc_now
from libs.shared.mongo import Document, patiently

LOCAL_OWNER = "local"
"""Whose everything is while there are no keys. The owner of the first key takes this place."""
MAX_OWNER = 64

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_TOKEN = re.compile(r"album_([0-9a-f]{16})_([0-9a-f]{64})")
_OWNER = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{MAX_OWNER - 1}}}")


class Key(Record):
    """A key as it is kept: without its secret.

    Attributes:
        owner: what albums carry; ``owner_name`` is what people call that owner.
        digest: the SHA-256 of the secret, in hexadecimal.
    """

    id: str = Field(alias="_id")
    owner: str
    owner_name: str
    scopes: tuple[Scope, ...]
    digest: str
    create_date: datetime
    expire_date: datetime | None = None
    revoke_date: datetime | None = None

    @property
    def is_valid(self) -> bool:
        """Whether it opens anything now."""
        return self.revoke_date is None and (self.expire_date is None or utc_now() < self.expire_date)

    @property
    def caller(self) -> Caller:
        """For whom a request with this key acts."""
        return Caller(self.owner, f"key:{self.id}", frozenset(self.scopes))


async def create_key(
    catalog: Catalog, owner_name: str, scopes: Iterable[str], lifetime: timedelta | None = None
) -> tuple[Key, str]:
    """Make a key for an owner; the owner of the first one inherits all that was made without keys.

    Returns:
        The key, and its token, which is not kept and cannot be had again.

    Raises:
        Refusal: ``invalid-request``: a name that cannot be an owner's, or a scope that there is not.
    """
    token = f"album_{secrets.token_hex(8)}_{secrets.token_hex(32)}"
    return await _keep(catalog, token, owner_name, scopes, lifetime), token


async def keep_first_key(catalog: Catalog, token: str, owner_name: str) -> bool:
    """Let a given token be the first key, with every scope, unless there is or was a key already.

    Returns:
        Whether it is now.

    Raises:
        Refusal: ``invalid-request``: it is not a token as `create_key` makes them.
    """
    if _TOKEN.fullmatch(token) is None:
        raise Refusal("invalid-request", "a key is album_, 16 hexadecimal digits, _ and 64 hexadecimal digits")
    if await has_keys(catalog):
        return False
    await _keep(catalog, token, owner_name, SCOPES, None)
    return True


async def has_keys(catalog: Catalog) -> bool:
    """Whether a key was ever made: an installation whose keys are all revoked does not stand open."""
    return await patiently(lambda: catalog.keys.find_one({}, {"_id": 1})) is not None


async def find_key(catalog: Catalog, token: str) -> Key | None:
    """The key that a token is for, if it is valid."""
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        return None
    document = await patiently(lambda: catalog.keys.find_one({"_id": parts.group(1)}))
    key = None if document is None else Key.model_validate(document)
    is_right = hmac.compare_digest(digest(parts.group(2)), key.digest if key is not None else digest(""))
    return key if key is not None and is_right and key.is_valid else None


async def list_keys(catalog: Catalog) -> list[Key]:
    """All keys that were ever made, oldest first."""
    documents = await patiently(lambda: catalog.keys.find().sort("create_date").to_list(None))
    return [Key.model_validate(document) for document in documents]


async def revoke_key(catalog: Catalog, key_id: str) -> bool:
    """Let a key, and the sessions that were opened with it, open nothing any more; False if there is no such key."""
    revoked = {"$min": {"revoke_date": utc_now()}}
    return bool((await patiently(lambda: catalog.keys.update_one({"_id": key_id}, revoked))).matched_count)


def digest(secret: str) -> str:
    """What is kept of a secret of 256 random bits; such a one needs neither salt nor a slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def _keep(
    catalog: Catalog, token: str, owner_name: str, scopes: Iterable[str], lifetime: timedelta | None
) -> Key:
    if _OWNER.fullmatch(owner_name) is None:
        raise Refusal(
            "invalid-request",
            f"an owner's name is 1 to {MAX_OWNER} of a-z, 0-9, '.', '_' and '-', and begins with one of the former two",
        )
    asked = set(scopes)
    if unknown := asked.difference(SCOPES):
        known = ", ".join(SCOPES)
        raise Refusal("invalid-request", f"there is no scope {', '.join(sorted(unknown))}; there are {known}")
    now = utc_now()
    _, key_id, secret = token.split("_")
    key = Key(
        id=key_id,
        owner=await _owner_called(catalog, owner_name),
        owner_name=owner_name,
        scopes=tuple(scope for scope in SCOPES if scope in asked),
        digest=digest(secret),
        create_date=now,
        expire_date=None if lifetime is None else now + lifetime,
    )
    document = key.model_dump(by_alias=True, exclude_none=True)
    await patiently(lambda: catalog.keys.replace_one({"_id": key_id}, document, upsert=True))
    return key


async def _owner_called(catalog: Catalog, name: str) -> str:
    """What the albums of the owner with this name carry: `LOCAL_OWNER` for whoever is named first."""
    wanted, unless_named = {"_id": LOCAL_OWNER}, {"$setOnInsert": {"name": name}}
    first: Document = await patiently(
        lambda: catalog.owners.find_one_and_update(wanted, unless_named, upsert=True, return_document=True)
    )
    if first["name"] == name:
        return LOCAL_OWNER
    if name == LOCAL_OWNER:
        raise Refusal("invalid-request", f"the owner {LOCAL_OWNER} is called {first['name']} here")
    return name
