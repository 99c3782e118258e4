"""What a client of the database keeps to, whatever its url says."""

from __future__ import annotations

import pytest
from pymongo import ReadPreference
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from libs.shared import mongo
from libs.shared.settings import SharedSettings


@pytest.mark.anyio
async def test_no_url_weakens_what_is_promised() -> None:
    options = "w=1&journal=false&readConcernLevel=local&readPreference=secondaryPreferred&retryWrites=false"
    client = mongo.connect(SharedSettings(mongo_url=f"mongodb://127.0.0.1/?replicaSet=rs0&{options}"))
    try:
        kept = client.delegate

        assert kept.write_concern == WriteConcern("majority", j=True)
        assert kept.read_concern == ReadConcern("majority")
        assert kept.read_preference == ReadPreference.PRIMARY
        assert kept.options.retry_writes
    finally:
        client.close()
