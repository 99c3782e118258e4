"""The audit's card."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.audit.log import AuditLog
from libs.shared import mongo
from libs.shared.metrics import Metrics
from libs.shared.mongo import Database
from libs.shared.subscriber import Subscriber
from services.audit.handler import record
from services.audit.settings import AuditSettings


@asynccontextmanager
async def open_log(database: Database, metrics: Metrics, settings: AuditSettings) -> AsyncIterator[AuditLog]:
    """The audit log of the database, with what keeps its entries unique."""
    log = AuditLog(database)
    await mongo.persistently(log.ensure_indexes)
    yield log


subscriber = Subscriber(name="audit", settings=AuditSettings, open=open_log, handle=record)
