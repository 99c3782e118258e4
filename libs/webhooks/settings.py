"""What the API, the command line and the notifier must agree on: ``ALBUM_NOTIFIER_...``."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from libs.shared.settings import Settings
from libs.webhooks.addresses import AddressPolicy, networks


class WebhookSettings(Settings):
    """Whom webhooks may call, and for how long it is known what came of it."""

    model_config = SettingsConfigDict(env_prefix="ALBUM_NOTIFIER_")

    allow_networks: str = Field(
        "", description="networks beside the public internet that webhooks may call, such as `10.0.0.0/8,fd00::/8`"
    )
    retention_days: float = Field(30.0, gt=0, description="how long deliveries are kept, for a look and for a replay")

    @field_validator("allow_networks")
    @classmethod
    def _parses(cls, value: str) -> str:
        networks(value)
        return value

    @property
    def policy(self) -> AddressPolicy:
        """Whom webhooks may call."""
        return AddressPolicy(networks(self.allow_networks))
