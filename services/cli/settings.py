"""What ``album up`` can be told, by ``ALBUM_...`` variables or its options, which win; and where others find it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from libs.catalog.settings import CatalogSettings
from libs.shared.settings import AmqpUrl, MongoUrl, Settings, address_of
from services.cli.running import running_stack

PROJECT = Path(__file__).parents[2]


class DataSettings(Settings):
    """Where a stack on private servers keeps its data."""

    model_config = SettingsConfigDict(env_prefix="ALBUM_")

    data: Path = Field(
        PROJECT / ".data", description="where `make up` and `album up` keep the private servers' data and logs"
    )


class UpSettings(DataSettings):
    """Where the stack runs, and how many of each worker."""

    host: str = Field("127.0.0.1", description="address the API listens on")
    port: int = Field(8000, ge=1, le=65535, description="port the API listens on")
    decoders: int = Field(1, ge=0, description="decoder processes that `make up` and `album up` run")
    thumbnailers: int = Field(1, ge=0, description="thumbnailer processes that `make up` and `album up` run")
    mongo_url: MongoUrl | None = Field(None, description="a MongoDB replica set to use instead of a private one")
    amqp_url: AmqpUrl | None = Field(None, description="a RabbitMQ to use instead of a private one")

    @property
    def needs_private_servers(self) -> bool:
        """Whether a server is to be started because no url of one was given."""
        return not (self.mongo_url and self.amqp_url)

    @property
    def url(self) -> str:
        """Where a client on this machine reaches the API."""
        return address_of(self.host, self.port)


class CommandSettings(CatalogSettings):
    """Where the servers are that a command works on: those of the settings, else those of the stack that runs here."""

    @property
    def hint(self) -> str | None:
        """Why there may be nobody at these urls: nobody has named them."""
        if _URLS & self.model_fields_set:
            return None
        data = DataSettings().data.resolve()
        return f"no stack of `album up` runs from {data} (ALBUM_DATA names another), and ALBUM_MONGO_URL is not set"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The running stack comes after all that is set."""
        return init_settings, env_settings, dotenv_settings, file_secret_settings, _RunningStack(settings_cls)


_URLS = {"mongo_url", "amqp_url"}


class _RunningStack(PydanticBaseSettingsSource):
    """All or nothing: whoever has named one server does not mean the other one of some stack that happens to run."""

    def __call__(self) -> dict[str, Any]:
        return {} if _URLS & self.current_state.keys() else running_stack(DataSettings().data)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # asked by the sources that go through the fields one by one
