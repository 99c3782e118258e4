"""Settings that more than one service reads. All are ``ALBUM_...`` environment variables."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import (
    AfterValidator,
    AmqpDsn,
    BeforeValidator,
    Field,
    HttpUrl,
    MongoDsn,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRETS = Path("/run/secrets")
"""Where containers find their secrets: a file named like the variable, such as ``album_amqp_url``."""


# For an address that stands for all, one that can be connected to.
_REACHABLE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_PREFIXES = ("ALBUM_", "OTEL_")
HUNDRED_YEARS = {"days": 36_500, "hours": 876_000, "seconds": 3_153_600_000}
"""By the units that names of settings end in."""
_CERTIFICATES = ("cafile", "capath", "certfile", "keyfile")
"""How a broker's url names the files of its connection."""
_MONGODBS_OWN = ("admin", "config", "local")

LogLevel = Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(str.lower)]


class WrongSetting(Exception):
    """The operator's fault: variables that say what cannot be, and why; never what they say, which may be secret."""


class Settings(BaseSettings):
    """Settings that name the variable which is wrong. An empty variable is as good as none."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    def __init__(self, **given: Any) -> None:
        """Read them.

        Raises:
            WrongSetting: one of them cannot be.
        """
        try:
            super().__init__(**given)
        except ValidationError as error:
            prefix = self.model_config.get("env_prefix", "")
            wrong = ((prefix + ".".join(map(str, one["loc"])), one["msg"]) for one in error.errors())
            sentences = (f"{name.upper()}: {message.removeprefix('Value error, ')}" for name, message in wrong)
            raise WrongSetting("; ".join(sentences)) from None

    @field_validator("*")
    @classmethod
    def _ends(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse a duration that leads beyond the last date there is, as somebody may give who means "for ever"."""
        most = HUNDRED_YEARS.get((info.field_name or "").rpartition("_")[2])
        if most is not None and value is not None and value > most:
            raise ValueError(f"Input should be at most a hundred years: {most}")
        return value


@contextmanager
def read_settings(service: str) -> Iterator[None]:
    """End the process with a sentence and `os.EX_CONFIG` where a setting is wrong: no further start makes it right."""
    try:
        yield
    except WrongSetting as error:
        sys.stderr.write(f"{service}: {error}\n")
        raise SystemExit(os.EX_CONFIG) from None


def forget_variables() -> None:
    """Take all settings out of the environment, once they are read: whatever this process starts learns none of them.

    Before anything else is begun: it must not change while other threads look into it.
    """
    for name in [name for name in os.environ if name.upper().startswith(_PREFIXES)]:
        del os.environ[name]


def _is(adapter: TypeAdapter[Any]) -> AfterValidator:
    """Refuse what is no such URL, without the quotation of it, password included, that pydantic's own error holds."""

    def check(url: SecretStr) -> SecretStr:
        try:
            adapter.validate_python(url.get_secret_value())
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"]) from None
        return url

    return AfterValidator(check)


def _can_be_trusted(url: SecretStr) -> SecretStr:
    """Refuse a broker's url whose certificates cannot be read, without which no connection ever comes about."""
    for address in url.get_secret_value().split(","):
        parts = urlsplit(address)
        files = {name: file for name, file in parse_qsl(parts.query) if name in _CERTIFICATES}
        if parts.scheme != "amqps" or not files:
            continue
        try:
            context = ssl.create_default_context(cafile=files.get("cafile"), capath=files.get("capath"))
            if "certfile" in files:
                context.load_cert_chain(files["certfile"], files.get("keyfile"))
        except OSError as error:
            raise ValueError(f"{' or '.join(files.values())}: {error.strerror}") from None
    return url


MongoUrl = Annotated[SecretStr, _is(TypeAdapter(MongoDsn))]
AmqpUrl = Annotated[SecretStr, _is(TypeAdapter(AmqpDsn)), AfterValidator(_can_be_trusted)]


class SharedSettings(Settings):
    """Where the servers are, and how a process reports. A variable that is not empty wins over a file in `SECRETS`."""

    model_config = SettingsConfigDict(env_prefix="ALBUM_", secrets_dir=SECRETS if SECRETS.is_dir() else None)

    mongo_url: MongoUrl = Field(
        SecretStr("mongodb://127.0.0.1:27017/?replicaSet=rs0"), description="MongoDB, a replica set"
    )
    amqp_url: AmqpUrl = Field(
        SecretStr("amqp://guest:guest@127.0.0.1:5672/"), description="RabbitMQ; the path names the virtual host"
    )
    database: str = Field("album", pattern=r'^[^ .$/\\"]{1,63}$', description="MongoDB database of catalog and blobs")
    event_retention_days: float = Field(
        30.0,
        gt=0,
        description="how long the event log keeps its events; the same for the API and all subscribers",
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=1, le=65535, description="port the API listens on")
    public_url: HttpUrl | None = Field(
        None, description="where subscribers reach the API, for the schemas that events name; default: where it listens"
    )
    log_level: LogLevel = Field("info", description="debug, info, warning or error")
    log_format: Literal["json", "text", "auto"] = Field(
        "auto", description="json, text, or auto: text on a terminal, else json"
    )
    tracing: bool = Field(False, description="send traces by OTLP/HTTP, where the standard `OTEL_...` variables say")

    @field_validator("database")
    @classmethod
    def _takes_transactions(cls, name: str) -> str:
        # https://www.mongodb.com/docs/manual/core/transactions/#restrictions
        if name.lower() in _MONGODBS_OWN:
            raise ValueError("admin, config and local are MongoDB's own: no transaction is possible there")
        return name

    @property
    def base_url(self) -> str:
        """Where the API is reached: as the operator says, else from this machine. Without a slash at the end."""
        return str(self.public_url or address_of(self.host, self.port)).rstrip("/")


def address_of(host: str, port: int) -> str:
    """Where a client on this machine reaches an API that listens there."""
    host = _REACHABLE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class RuntimeSettings(SharedSettings):
    """What a process without HTTP of its own is told beside its own settings."""

    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="where stages serve health and metrics; 0 for any free port, none if not set"
    )


class LimitSettings(Settings):
    """What is accepted: checked at upload as far as the first bytes prove it, and again by the decoder."""

    model_config = SettingsConfigDict(env_prefix="ALBUM_")

    max_bytes: int = Field(52_428_800, gt=0, description="most bytes of one file")
    max_width: int = Field(1920, gt=0, description="most pixels across")
    max_height: int = Field(1080, gt=0, description="most pixels down")
    limit_any_orientation: bool = Field(False, description="let portraits use the limits turned by 90 degrees")

    def allows(self, width: int, height: int) -> bool:
        """Whether a picture of this size, in pixels, is inside the limits."""
        fits = width <= self.max_width and height <= self.max_height
        turned = height <= self.max_width and width <= self.max_height
        return fits or (self.limit_any_orientation and turned)

    def excess(self, width: int, height: int) -> dict[str, Any]:
        """What an error tells of a picture that is not: ``message``, ``limit``, ``actual``."""
        turned = f" or {self.max_height}x{self.max_width}" if self.limit_any_orientation else ""
        most = f"{self.max_width}x{self.max_height}{turned}"
        return {
            "message": f"the image is {width}x{height} pixels; at most {most} is accepted",
            "limit": {"width": self.max_width, "height": self.max_height},
            "actual": {"width": width, "height": height},
        }


class ConsumerSettings(Settings):
    """What every stage and subscriber can be told; its own class sets the prefix ``ALBUM_<NAME>_`` and adds fields."""

    grace_seconds: float = Field(25.0, ge=0, description="how long a stop waits for work in hand")
    lost_seconds: float = Field(300.0, gt=0, description="how long to go on without a consumer at the broker")


class StageSettings(ConsumerSettings):
    """What every stage can be told."""

    processes: int = Field(
        default_factory=lambda: len(os.sched_getaffinity(0)),
        ge=1,
        description="children that decode at the same time; default: the cores this process may use",
    )
    deadline_seconds: float = Field(30.0, gt=0, description="how long one decode may take")
    # Below, a child cannot load its libraries, or sound pictures within the usual limits fail for want of memory.
    memory_bytes: int = Field(1_073_741_824, ge=268_435_456, description="address space of one decode child")


class SubscriberSettings(ConsumerSettings):
    """What every subscriber can be told."""

    catch_up_seconds: float = Field(
        30.0, gt=0, description="how often the event log is searched for what the queue did not bring"
    )
