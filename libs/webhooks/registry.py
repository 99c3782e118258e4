"""The collections of webhooks and deliveries, and their indexes."""

from __future__ import annotations

from datetime import timedelta

from pymongo import ASCENDING, DESCENDING, IndexModel

from libs.shared import indexes
from libs.shared.mongo import Database
from libs.webhooks.settings import WebhookSettings


class Registry:
    """The webhooks of one database and what is due to them: a delivery is pending as long as it has ``due_at``."""

    def __init__(self, database: Database, settings: WebhookSettings) -> None:
        self.policy = settings.policy
        self.retention = timedelta(days=settings.retention_days)
        self.webhooks = database["webhooks"]
        self.deliveries = database["webhook_deliveries"]

    async def ensure_indexes(self) -> None:
        """Make an index for every query that is asked of webhooks and deliveries."""
        await indexes.ensure(self.webhooks, IndexModel([("owner", ASCENDING), ("create_date", ASCENDING)]))
        await indexes.ensure(
            self.deliveries,
            IndexModel(
                [("webhook_id", ASCENDING), ("due_at", ASCENDING)],
                partialFilterExpression={"due_at": {"$exists": True}},
            ),
            IndexModel([("webhook_id", ASCENDING), ("create_date", DESCENDING), ("_id", DESCENDING)]),
            IndexModel([("expire_at", ASCENDING)], expireAfterSeconds=0),
        )
