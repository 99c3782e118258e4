"""What an operator can tell the notifier: ``ALBUM_NOTIFIER_...``."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.shared.settings import SubscriberSettings
from libs.webhooks.settings import WebhookSettings


class NotifierSettings(SubscriberSettings, WebhookSettings):
    """How webhooks are called, and when to give up."""

    model_config = SettingsConfigDict(env_prefix="ALBUM_NOTIFIER_")

    concurrency: int = Field(
        64, ge=1, description="calls that one process makes at once, at most seven eighths of them for one owner"
    )
    webhook_concurrency: int = Field(4, ge=1, description="calls that one process makes at once to one webhook")
    timeout_seconds: float = Field(15.0, gt=0, description="how long a receiver may take to answer")
    poll_seconds: float = Field(1.0, gt=0, description="how often to look for what has become due")
    retry_first_seconds: float = Field(
        5.0, gt=0, description="pause before the second try, the next is four times as long"
    )
    retry_longest_seconds: float = Field(21_600.0, gt=0, description="the longest of these pauses")
    retry_period_hours: float = Field(24.0, gt=0, description="how long a delivery is tried")
    disable_after_days: float = Field(5.0, gt=0, description="how long a webhook may have failed without a success")
