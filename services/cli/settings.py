"""What ``album up`` can be told: ``ALBUM_...`` environment variables, or its options, which win."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT = Path(__file__).parents[2]
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


class UpSettings(BaseSettings):
    """Where the stack runs, and how many of each worker."""

    model_config = SettingsConfigDict(env_prefix="ALBUM_", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="address the API listens on")
    port: int = Field(8000, ge=1, le=65535, description="port the API listens on")
    data: Path = Field(PROJECT / ".data", description="directory of the private servers' data and logs")
    decoders: int = Field(1, ge=0, description="decoder processes to run")
    thumbnailers: int = Field(1, ge=0, description="thumbnailer processes to run")
    mongo_url: SecretStr | None = Field(None, description="a MongoDB replica set to use instead of a private one")
    amqp_url: SecretStr | None = Field(None, description="a RabbitMQ to use instead of a private one")

    @property
    def needs_private_servers(self) -> bool:
        """Whether a server is to be started because no url of one was given."""
        return not (self.mongo_url and self.amqp_url)

    @property
    def url(self) -> str:
        """Where a client on this machine reaches the API."""
        return address_of(self.host, self.port)


def address_of(host: str, port: int) -> str:
    """Where a client on this machine reaches an API that listens there."""
    return f"http://{EVERY_ADDRESS.get(host, host)}:{port}"
