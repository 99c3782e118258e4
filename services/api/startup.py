"""What is settled before the API listens: that it knows the database's version, and that no stranger can walk in."""

from __future__ import annotations

from functools import partial

from libs.catalog import keys, migrations
from libs.catalog.catalog import Catalog
from libs.shared import mongo, mongo_errors
from libs.shared.errors import AlbumError, Outage, Refusal
from libs.shared.logs import get_logger
from services.api.access import is_loopback
from services.api.settings import ApiSettings

FIRST_OWNER = "admin"


class NotSafe(AlbumError):
    """The operator's fault: as it is set up, this server must not run."""

    def __init__(self, message: str) -> None:
        super().__init__("not-safe", message)


async def settle(settings: ApiSettings) -> None:
    """Make the first key if one is given, and see that there is one where strangers can reach this server.

    Waits for the database, but only where keys matter.

    Raises:
        NotSafe: strangers could reach this server and there is no key, the given key is none, or the database has been
            changed by a newer version.
    """
    client = mongo.connect(settings)
    try:
        await _settle(Catalog(client, settings), settings)
    finally:
        client.close()


async def _settle(catalog: Catalog, settings: ApiSettings) -> None:
    needs_key = not is_loopback(settings.host) and not settings.allow_anonymous
    look = partial(migrations.version_of, catalog)
    while True:
        try:
            if settings.first_key_file is None and not needs_key:
                await look()
                return
            await mongo.patiently(look)
            if settings.first_key_file is not None:
                await _keep_first_key(catalog, settings)
            if needs_key and not await keys.has_keys(catalog):
                raise NotSafe(
                    f"there is no key, so this server must not listen on {settings.host}, where others can reach it: "
                    "make one with `album keys create --owner NAME` while it listens on 127.0.0.1, name a file with "
                    "one in ALBUM_FIRST_KEY_FILE, or let everybody in: ALBUM_ALLOW_ANONYMOUS=true"
                )
            return
        except Outage as outage:
            get_logger().warning("whether there are keys must be known first", **outage.told())
        except Refusal as refusal:
            raise NotSafe(refusal.message) from None
        except mongo_errors.DriverError as error:
            if mongo_errors.outage(error) is None:
                raise
            return  # its version is looked at again when it answers


async def _keep_first_key(catalog: Catalog, settings: ApiSettings) -> None:
    assert settings.first_key_file is not None
    try:
        token = settings.first_key_file.read_text().strip()
        if await keys.keep_first_key(catalog, token, FIRST_OWNER):
            get_logger().info("the first key is that of ALBUM_FIRST_KEY_FILE", owner=FIRST_OWNER)
    except (OSError, UnicodeDecodeError) as error:
        raise NotSafe(f"the file of the first key cannot be read: {type(error).__name__}") from None
    except Refusal as refusal:
        raise NotSafe(f"the file of the first key holds none: {refusal.message}") from None
