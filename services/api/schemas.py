"""Bodies of requests and answers, exactly as the contract names them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from libs.catalog.records import Album
from libs.catalog.sessions import Session
from libs.shared.events import Timestamp
from libs.shared.ids import UUID, UUID_RULE
from libs.shared.settings import LimitSettings

MAX_NAME = 255
MAX_PAGE = 10_000

_ID, _JOB_ID, _THUMBNAIL_ID = f"^{UUID}$", f"^{UUID}job$", f"^{UUID}{UUID}$"
ID_RULES = {
    _ID: UUID_RULE,
    _JOB_ID: "must be the image's id followed by job, as the upload's answer gives it",
    _THUMBNAIL_ID: "must be the album's id followed by the image's, as the upload's answer gives it",
}
"""What each pattern of an id asks for, in words."""
_TWO_IDS = re.compile(UUID * 2)


def whole(value: Any) -> Any:
    """The integer that a JSON number is, though it be written 1.0; anything else as it came."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Id = Annotated[str, Field(pattern=_ID), AfterValidator(str.lower)]
JobId = Annotated[str, Field(pattern=_JOB_ID), AfterValidator(str.lower)]
ThumbnailId = Annotated[str, Field(pattern=_THUMBNAIL_ID), AfterValidator(str.lower)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, description="for people; it need not be unique")]
Limit = Annotated[
    int, Field(ge=1, le=MAX_PAGE, strict=True, description="most entries of this page"), BeforeValidator(whole)
]
After = Annotated[str | None, Field(description="`next` of the page before; for the first page leave it out")]
Next = Annotated[str | None, Field(description="give it as `after` to have the next page; null on the last one")]
WaitSeconds = Annotated[float, Field(ge=0, le=30, strict=True, allow_inf_nan=False)]
Variant = Annotated[
    Literal["encoded", "original"],
    Field(description="`encoded`: the picture to show; `original`: the upload as it came, for the scope `write`"),
]


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
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _given(cls, body: Any) -> Any:
        """What is given: clients whose types know no absent field send null for it."""
        return {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else body


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
    """An id of your own choice, not used before, or one is made."""


class GetAlbum(RequestBody):
    album_id: Id
    limit: Limit = MAX_PAGE
    after: After = None


class ListAlbums(RequestBody):
    limit: Limit = 100
    after: After = None


class ListImages(RequestBody):
    album_id: Id
    limit: Limit = 100
    after: After = None
    order: Literal["oldest", "newest"] = "oldest"
    """Which of them come first, by when they were accepted."""


class OneAlbum(RequestBody):
    album_id: Id


class OneImage(RequestBody):
    album_id: Id
    image_id: Id


class GetImage(OneImage):
    variant: Variant = "encoded"
    wait_seconds: WaitSeconds = 0
    """How long to wait for a picture that is still queued before 202 is answered."""


class GetThumbnail(RequestBody):
    thumbnail_id: ThumbnailId
    wait_seconds: WaitSeconds | None = None
    """How long to wait for a thumbnail that there has not been yet before 202 is answered."""


class OneJob(RequestBody):
    job_id: JobId


class GetJob(OneJob):
    wait_seconds: WaitSeconds = 0
    """The answer comes once the job is ready or has failed, or after so many seconds as it is then."""


class _Answer(BaseModel):
    # Every answer has its status, so the description must not call it optional for having a default.
    model_config = ConfigDict(json_schema_serialization_defaults_required=True, use_attribute_docstrings=True)


class Done(_Answer):
    status: Literal["success"] = "success"
    message: str


State = Annotated[
    str,
    Field(description="`queued`, `encoded` (the picture is there), `ready` (its thumbnail too) or `failed`"),
]
Code = Annotated[str | None, Field(description="why it failed, null unless it has")]
Width = Annotated[int | None, Field(description="pixels of the picture across, null until it is encoded")]
Height = Annotated[int | None, Field(description="pixels of the picture down, null until it is encoded")]
Placeholder = Annotated[
    str | None, Field(description="a thumbhash in Base64 to show meanwhile (https://evanw.github.io/thumbhash/)")
]


class Card(BaseModel):
    """What is shown of a record: its attributes of the same names, unless a field says another."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class AlbumCard(Card):
    id: str
    name: str
    create_date: Timestamp
    content_count: int
    """How many images it has, failed ones too."""


class AlbumSnapshot(AlbumCard):
    content: list[str]
    """Ids of its images, the first that was accepted first."""
    next: Next

    @classmethod
    def holding(cls, album: Album, content: list[str], following: str | None) -> AlbumSnapshot:
        return cls(**AlbumCard.model_validate(album).model_dump(), content=content, next=following)


class AlbumAnswer(Done):
    album_snapshot: AlbumSnapshot


class AlbumsAnswer(Done):
    albums: list[AlbumCard]
    next: Next


class UploadAnswer(Done):
    job_id: str
    image_id: str
    thumbnail_id: str


class ProcessingAnswer(_Answer):
    status: Literal["processing"] = "processing"
    message: str
    job_id: str
    state: State


class ImageCard(Card):
    id: str
    name: str
    create_date: Timestamp
    state: State
    code: Code
    job_id: str
    thumbnail_id: str
    width: Width
    height: Height
    animated: bool
    """Whether the upload was an animation, of which the picture is the first frame."""
    placeholder: Placeholder
    content_type: str | None
    """Of the picture, null until it is there."""
    length: int | None
    """Bytes of the picture, null until it is there."""


class ImageAnswer(Done):
    image: ImageCard


class ImagesAnswer(Done):
    images: list[ImageCard]
    next: Next


class TimelineStep(Card):
    event: str
    """`queued`, or another state that it came to."""
    at: Timestamp


class Job(Card):
    """How far an image is."""

    # With size and placeholder, so that a page that follows a job need not ask for the card: docs/decisions/0009.

    job_id: str
    image_id: str = Field(validation_alias="id")
    album_id: str
    state: State
    code: Code
    message: str | None = Field(validation_alias="failure")
    """What `code` means for this picture, in words."""
    attempts: int
    """How often it was begun, retries included."""
    width: Width
    height: Height
    placeholder: Placeholder
    timeline: list[TimelineStep]
    """What became of it and when, the last 100 steps."""


class JobAnswer(Done):
    job: Job


class SignIn(RequestBody):
    key: Annotated[str, Field(max_length=MAX_NAME)]
    """As `album keys create` printed it."""


class SessionCard(Card):
    owner: str
    scopes: list[str]
    expire_date: Timestamp

    @classmethod
    def of(cls, session: Session) -> SessionCard:
        key = session.key
        return cls(owner=key.owner_name, scopes=list(key.scopes), expire_date=session.expire_date)


class Limits(Card):
    """What is accepted of a picture."""

    bytes: int
    """Most bytes of its file."""
    width: int
    """Most pixels across."""
    height: int
    """Most pixels down."""
    any_orientation: bool
    """Whether width and height may also be each other's limit, for portraits."""

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
    """Null for a key, and while there are no keys."""
    limits: Limits


class FailAnswer(_Answer):
    """Every refusal and failure; some carry further fields, such as ``limit`` and ``actual``."""

    model_config = ConfigDict(extra="allow")

    status: Literal["fail"] = "fail"
    code: str
    """What to go by in a program: it stays the same, as the message may not."""
    message: str
