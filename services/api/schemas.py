"""Bodies of requests and answers, exactly as the contract names them."""

from __future__ import annotations

import re
from typing import Annotated, Literal, cast

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from libs.catalog.records import Album
from libs.catalog.sessions import Session
from libs.shared.errors import Refusal
from libs.shared.events import Timestamp
from libs.shared.settings import LimitSettings

MAX_NAME = 255
MAX_PAGE = 10_000

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ID, _JOB_ID, _THUMBNAIL_ID = f"^{_UUID}$", f"^{_UUID}job$", f"^{_UUID}{_UUID}$"
ID_RULES = {
    _ID: "must be a UUID such as 123e4567-e89b-42d3-a456-426614174000",
    _JOB_ID: "must be the image's id followed by job, as the upload's answer gives it",
    _THUMBNAIL_ID: "must be the album's id followed by the image's, as the upload's answer gives it",
}
"""What each pattern of an id asks for, in words."""
_ONE_ID = re.compile(_UUID)
_TWO_IDS = re.compile(_UUID * 2)


def canonical_id(value: str) -> str:
    """An id in the one spelling that is stored.

    Raises:
        Refusal: ``invalid-request``: it is not a UUID string.
    """
    if not _ONE_ID.fullmatch(value):
        raise Refusal("invalid-request", f"an id {ID_RULES[_ID]}")
    return value.lower()


Id = Annotated[str, Field(pattern=_ID), AfterValidator(str.lower)]
JobId = Annotated[str, Field(pattern=_JOB_ID), AfterValidator(str.lower)]
ThumbnailId = Annotated[str, Field(pattern=_THUMBNAIL_ID), AfterValidator(str.lower)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE, strict=True)]
WaitSeconds = Annotated[float, Field(ge=0, le=30, strict=True, allow_inf_nan=False)]
Variant = Literal["encoded", "original"]


UUID_LENGTH = 36


def image_id_of_job(job_id: str) -> str:
    """A job id is the image id and ``job``."""
    return job_id.removesuffix("job")


def is_thumbnail_id(value: str) -> bool:
    """Whether it can be one: two ids without anything between them."""
    return _TWO_IDS.fullmatch(value) is not None


def ids_of_thumbnail(thumbnail_id: str) -> tuple[str, str]:
    """A thumbnail id is the album id and the image id."""
    return thumbnail_id[:UUID_LENGTH], thumbnail_id[UUID_LENGTH:]


class RequestBody(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _either_name(schema: JsonDict) -> None:
    """Describe that the album's name may come under either of two names."""
    properties = cast(JsonDict, schema["properties"])
    properties["name"] = properties["album_name"]
    del schema["required"]
    schema["anyOf"] = [{"required": ["album_name"]}, {"required": ["name"]}]


class CreateAlbum(RequestBody):
    model_config = ConfigDict(json_schema_extra=_either_name)

    album_name: Name = Field(validation_alias=AliasChoices("album_name", "name"))
    album_id: Id | None = None


class GetAlbum(RequestBody):
    album_id: Id
    limit: Limit = MAX_PAGE
    after: str | None = None


class ListAlbums(RequestBody):
    limit: Limit = 100
    after: str | None = None


class ListImages(RequestBody):
    album_id: Id
    limit: Limit = 100
    after: str | None = None
    order: Literal["oldest", "newest"] = "oldest"


class OneAlbum(RequestBody):
    album_id: Id


class OneImage(RequestBody):
    album_id: Id
    image_id: Id


class GetImage(OneImage):
    variant: Variant = "encoded"
    wait_seconds: WaitSeconds = 0


class GetThumbnail(RequestBody):
    thumbnail_id: ThumbnailId
    wait_seconds: WaitSeconds | None = None


class OneJob(RequestBody):
    job_id: JobId


class GetJob(OneJob):
    wait_seconds: WaitSeconds = 0


class _Answer(BaseModel):
    # Every answer has its status, so the description must not call it optional for having a default.
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Done(_Answer):
    status: Literal["success"] = "success"
    message: str


class Card(BaseModel):
    """What is shown of a record: its attributes of the same names, unless a field says another."""

    model_config = ConfigDict(from_attributes=True)


class AlbumCard(Card):
    id: str
    name: str
    create_date: Timestamp
    content_count: int


class AlbumSnapshot(AlbumCard):
    content: list[str]
    next: str | None

    @classmethod
    def holding(cls, album: Album, content: list[str], following: str | None) -> AlbumSnapshot:
        return cls(**AlbumCard.model_validate(album).model_dump(), content=content, next=following)


class AlbumAnswer(Done):
    album_snapshot: AlbumSnapshot


class AlbumsAnswer(Done):
    albums: list[AlbumCard]
    next: str | None


class UploadAnswer(Done):
    job_id: str
    image_id: str
    thumbnail_id: str


class ProcessingAnswer(_Answer):
    status: Literal["processing"] = "processing"
    message: str
    job_id: str
    state: str


class ImageCard(Card):
    id: str
    name: str
    create_date: Timestamp
    state: str
    code: str | None
    job_id: str
    thumbnail_id: str
    width: int | None
    height: int | None
    animated: bool
    placeholder: str | None
    content_type: str | None
    length: int | None


class ImageAnswer(Done):
    image: ImageCard


class ImagesAnswer(Done):
    images: list[ImageCard]
    next: str | None


class TimelineStep(Card):
    event: str
    at: Timestamp


class Job(Card):
    """How far an image is; size and thumbhash as soon as it is encoded (docs/decisions/0009)."""

    job_id: str
    image_id: str = Field(validation_alias="id")
    album_id: str
    state: str
    code: str | None
    message: str | None = Field(validation_alias="failure")
    attempts: int
    width: int | None
    height: int | None
    placeholder: str | None
    timeline: list[TimelineStep]


class JobAnswer(Done):
    job: Job


class SignIn(RequestBody):
    key: Annotated[str, Field(max_length=MAX_NAME)]


class SessionCard(BaseModel):
    owner: str
    scopes: list[str]
    expire_date: Timestamp

    @classmethod
    def of(cls, session: Session) -> SessionCard:
        key = session.key
        return cls(owner=key.owner_name, scopes=list(key.scopes), expire_date=session.expire_date)


class Limits(BaseModel):
    """What is accepted of a picture: bytes of its file, pixels across and down, and whether those may be turned."""

    bytes: int
    width: int
    height: int
    any_orientation: bool

    @classmethod
    def of(cls, limits: LimitSettings) -> Limits:
        return cls(
            bytes=limits.max_bytes,
            width=limits.max_width,
            height=limits.max_height,
            any_orientation=limits.limit_any_orientation,
        )


class SessionAnswer(Done):
    session: SessionCard | None
    limits: Limits


class FailAnswer(_Answer):
    """Every refusal and failure; some carry further fields, such as ``limit`` and ``actual``."""

    model_config = ConfigDict(extra="allow")

    status: Literal["fail"] = "fail"
    code: str
    message: str
