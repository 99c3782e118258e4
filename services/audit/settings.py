"""What an operator can tell the audit: ``ALBUM_AUDIT_...``."""

from pydantic_settings import SettingsConfigDict

from libs.shared.settings import SubscriberSettings


class AuditSettings(SubscriberSettings):
    model_config = SettingsConfigDict(env_prefix="ALBUM_AUDIT_")
