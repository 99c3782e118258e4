"""The scheduled check of the store, at once and without its horizon: for stacks that have come to rest."""

from __future__ import annotations

from datetime import timedelta

import anyio
from pydantic import SecretStr

from libs.catalog import fsck
from libs.catalog.catalog import Catalog
from libs.catalog.findings import Options, Report
from libs.catalog.settings import CatalogSettings
from libs.shared import mongo
from libs.shared.gridfs import GridFsBlobStore
from libs.shared.settings import SharedSettings
from tests.support.stack import Stack


def repair(stack: Stack, *, hash: bool = False) -> Report:
    """Check and repair what a stack keeps; with ``hash``, every byte of it."""

    async def run() -> Report:
        url = SecretStr(stack.environment["ALBUM_MONGO_URL"])
        client = mongo.connect(SharedSettings(mongo_url=url))
        try:
            catalog = Catalog(client, CatalogSettings(database=stack.environment["ALBUM_DATABASE"]))
            options = Options(repair=True, hash=hash, horizon=timedelta(0))
            return await fsck.run(catalog, GridFsBlobStore(catalog.database), "test", options, lambda finding: None)
        finally:
            client.close()

    return anyio.run(run)
