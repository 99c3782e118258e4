"""The events of the pipeline: what they carry, how they are named and how they travel.

The body of every message is CloudEvents 1.0 JSON in structured mode
(https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md).
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timezone
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError

from libs.shared.errors import ContractBreach, FailureCode

CONTENT_TYPE = "application/cloudevents+json"
TYPE_PREFIX = "io.album."
MAX_DEPTH = 20
"""How deeply an event's data may be nested."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""No attribute has one (CloudEvents 1.0.2, "Type System"), and no data of ours; terminals would obey some of them."""
_IDS = uuid.UUID("6c1b6a1e-6b0b-4d0f-9a57-0d0a4a1b7c11")


def utc_now() -> datetime:
    """The present time, in UTC, in the whole milliseconds that MongoDB keeps."""
    now = datetime.now(timezone.utc)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def rfc3339(moment: datetime) -> str:
    """A UTC time as the contract writes it: ``2026-11-22T08:00:00.123Z``."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError:
        raise ValueError("there is no such time in UTC") from None


Timestamp = Annotated[datetime, AfterValidator(_in_utc), PlainSerializer(rfc3339, when_used="json")]


class _Frozen(BaseModel):
    # Consumers ignore what they do not know, so that fields may be added within a version.
    model_config = ConfigDict(frozen=True, extra="ignore")


class BlobRef(_Frozen):
    """Names bytes in the blob store. ``length`` is in bytes, ``sha256`` in lower-case hexadecimal."""

    blob_id: str
    length: int
    sha256: str
    content_type: str


def blob_ids(*refs: BlobRef | None) -> list[str]:
    """The ids of those blobs that are named."""
    return [ref.blob_id for ref in refs if ref is not None]


class Event(_Frozen):
    """The data of one event. The class variables are its place in the contract."""

    routing_key: ClassVar[str]
    is_public: ClassVar[bool] = True
    """Whether subscribers get to see it."""
    is_work: ClassVar[bool] = False
    """Whether the API hands it to the pipeline; the stages send their own events there themselves."""

    @property
    def subject(self) -> str:
        """What the event is about: the image, or for album events the album."""
        raise NotImplementedError

    @property
    def announces(self) -> str:
        """What a work event's id derives from, so that sending it twice gives the same id."""
        return self.subject


class AlbumEvent(Event):
    album_id: str

    @property
    def subject(self) -> str:
        return self.album_id


class ImageEvent(Event):
    album_id: str
    image_id: str

    @property
    def subject(self) -> str:
        return self.image_id


class Attempt(ImageEvent):
    """An event of one attempt at an image. A newer ``generation`` supersedes all older ones."""

    generation: int


class AlbumCreated(AlbumEvent):
    routing_key = "album.created.v1"


class AlbumDeleted(AlbumEvent):
    routing_key = "album.deleted.v1"


class ImageUploaded(Attempt):
    routing_key = "image.uploaded.v1"
    is_work = True
    original: BlobRef

    @property
    def announces(self) -> str:
        return f"{self.original.blob_id}:{self.generation}"


class ImageEncoded(Attempt):
    routing_key = "image.encoded.v1"
    encoded: BlobRef
    width: int
    height: int
    format: str
    """The upload's own format by content: JPEG, PNG, WEBP, HEIF or AVIF."""
    animated: bool
    placeholder: str
    """A thumbhash in base64 (https://evanw.github.io/thumbhash/)."""
    preview: BlobRef | None = None

    @property
    def announces(self) -> str:
        return self.encoded.blob_id


class ThumbnailRequested(Attempt):
    routing_key = "thumbnail.requested.v1"
    is_public = False
    is_work = True
    encoded: BlobRef
    preview: BlobRef | None = None

    @property
    def announces(self) -> str:
        return f"{self.encoded.blob_id}:{self.generation}"


class ThumbnailCreated(Attempt):
    routing_key = "thumbnail.created.v1"
    thumbnail: BlobRef
    width: int
    height: int
    source: BlobRef
    """The encoded picture that the thumbnail was made from."""

    @property
    def announces(self) -> str:
        return self.thumbnail.blob_id


class ImageFailed(Attempt):
    routing_key = "image.failed.v1"
    stage: str
    code: FailureCode
    message: str
    attempts: int

    @property
    def announces(self) -> str:
        return f"{self.image_id}:{self.generation}:{self.stage}:{self.code}"


class ImageDeleted(ImageEvent):
    routing_key = "image.deleted.v1"


EVENTS: tuple[type[Event], ...] = (
    AlbumCreated,
    AlbumDeleted,
    ImageUploaded,
    ImageEncoded,
    ThumbnailRequested,
    ThumbnailCreated,
    ImageFailed,
    ImageDeleted,
)
"""Every event there is: topology, schemas and documentation are made from this list."""

_BY_TYPE = {TYPE_PREFIX + event.routing_key: event for event in EVENTS}


class Context(_Frozen):
    """What travels along from event to event.

    Attributes:
        correlationid: the id of the first event of the chain.
        causationid: the id of the event that this one answers; of a public event, that of the public one which led to
            it, since nobody but the pipeline sees the others.
        traceparent: W3C trace context of the request that began it.
        owner: whose album it is; ``actor``: who asked for it.
    """

    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None
    owner: str | None = None
    actor: str | None = None

    def caused_by(self, event_id: str) -> Context:
        """The context of an answer to the event ``event_id`` that had this context."""
        return self.model_copy(update={"causationid": event_id, "correlationid": self.correlationid or event_id})


class Envelope(_Frozen):
    """One CloudEvent as it travels: the attributes of the specification, our extensions and the data."""

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, Field(min_length=1)]
    source: str
    type: str
    subject: str
    time: Timestamp
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    """Where the schema of the data is served. Absolute in public events, as the specification wants it; a path in those
    of the pipeline, whose stages need not know where the API is."""
    sequence: int | None = None
    """The event's place among all public events of its subject, from 1, given when the catalog accepts it."""
    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None
    owner: str | None = None
    actor: str | None = None
    data: dict[str, Any]

    @property
    def routing_key(self) -> str:
        return self.type.removeprefix(TYPE_PREFIX)

    @property
    def context(self) -> Context:
        return Context.model_validate(self.model_dump())

    def event(self) -> Event:
        """The typed data.

        Raises:
            ContractBreach: the type is not ours, or the data does not have its fields.
        """
        kind = _BY_TYPE.get(self.type)
        if kind is None:
            raise ContractBreach(f"events of type {self.type!r} are not known here")
        try:
            return kind.model_validate(self.data)
        except ValidationError as error:
            raise ContractBreach(f"{self.type} with {error.error_count()} wrong or missing fields") from None

    def to_json(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_json(cls, body: bytes) -> Envelope:
        """Parse a message body.

        Raises:
            ContractBreach: it is not a CloudEvent, or not one that every reader and the database can hold.
        """
        try:
            envelope = cls.model_validate_json(body)
        except ValidationError as error:
            raise ContractBreach(f"not a CloudEvent: {error.error_count()} errors") from None
        if not _is_plain(envelope.model_dump(), MAX_DEPTH + 1):
            raise ContractBreach(
                "it is nested too deeply, or has numbers of over 64 bits, control characters or $names"
            )
        return envelope


def _is_plain(value: Any, depth: int) -> bool:
    if isinstance(value, str):
        return _CONTROL.search(value) is None
    if isinstance(value, dict):
        names_are_plain = all(_is_plain(key, 0) and not key.startswith("$") for key in value)
        return depth > 0 and names_are_plain and all(_is_plain(each, depth - 1) for each in value.values())
    if isinstance(value, list):
        return depth > 0 and all(_is_plain(each, depth - 1) for each in value)
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def work_envelope(event: Event, service: str, context: Context) -> Envelope:
    """The envelope under which ``service`` sends ``event`` to the pipeline's own exchange."""
    return _envelope(event, service, context, _id(event.routing_key, event.announces), utc_now(), None, "")


def public_envelope(
    event: Event, sequence: int, at: datetime, service: str, context: Context, base_url: str
) -> Envelope:
    """The envelope under which the catalog records ``service``'s ``event`` as number ``sequence`` of its subject.

    ``base_url`` is where the API is reached, without a slash at the end.
    """
    if context.causationid is not None:
        # An answer to a message of the pipeline, which its subject's event before this one has led to.
        context = context.model_copy(update={"causationid": _id(event.subject, str(sequence - 1))})
    return _envelope(event, service, context, _id(event.subject, str(sequence)), at, sequence, base_url)


def schema_path(event: type[Event]) -> str:
    """Where the JSON Schema of an event's data is served: ``/schemas/image-encoded/v1.json``."""
    name, _, version = event.routing_key.rpartition(".")
    return f"/schemas/{name.replace('.', '-')}/{version}.json"


def _id(*parts: str) -> str:
    return str(uuid.uuid5(_IDS, ":".join(parts)))


def _envelope(
    event: Event, service: str, context: Context, event_id: str, at: datetime, sequence: int | None, base_url: str
) -> Envelope:
    return Envelope(
        id=event_id,
        source=f"/album/{service}",
        type=TYPE_PREFIX + event.routing_key,
        subject=event.subject,
        time=at,
        dataschema=base_url + schema_path(type(event)),
        sequence=sequence,
        data=event.model_dump(mode="json", exclude_none=True),
        **context.model_dump(),
    )
