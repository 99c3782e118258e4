"""What the catalog keeps about albums and images, as typed values."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.shared.events import BlobRef, Context

State = Literal["receiving", "queued", "encoded", "ready", "failed", "deleted"]
VISIBLE: tuple[State, ...] = ("queued", "encoded", "ready", "failed")
"""The states of images that clients can see: accepted and not deleted."""


class Record(BaseModel):
    """A document of the catalog."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Album(Record):
    id: str = Field(alias="_id")
    owner: str
    name: str
    create_date: datetime
    content_count: int


class Step(Record):
    """One entry of a job's timeline."""

    event: str
    at: datetime


def job_id_of(image_id: str) -> str:
    return image_id + "job"


def thumbnail_id_of(album_id: str, image_id: str) -> str:
    return album_id + image_id


class Image(Record):
    id: str = Field(alias="_id")
    album_id: str
    owner: str
    actor: str | None = None
    name: str
    state: State
    order: int
    """The image's place in its album, in order of acceptance."""
    create_date: datetime
    generation: int
    sequence: int
    original: BlobRef | None = None
    is_original_kept: bool = True
    encoded: BlobRef | None = None
    preview: BlobRef | None = None
    thumbnail: BlobRef | None = None
    width: int | None = None
    height: int | None = None
    animated: bool = False
    placeholder: str | None = None
    code: str | None = None
    failure: str | None = None
    attempts: int = 1
    timeline: list[Step] = []

    @property
    def job_id(self) -> str:
        return job_id_of(self.id)

    @property
    def thumbnail_id(self) -> str:
        return thumbnail_id_of(self.album_id, self.id)

    @property
    def content_type(self) -> str | None:
        """Of the encoded picture, once it is there; likewise ``length``, in bytes."""
        return self.encoded.content_type if self.encoded else None

    @property
    def length(self) -> int | None:
        return self.encoded.length if self.encoded else None

    @property
    def is_workable(self) -> bool:
        """Whether there is anything to work on: its picture, or the upload to make one from."""
        return self.encoded is not None or self.is_original_kept

    @property
    def context(self) -> Context:
        """What events carry along that nobody's request leads to."""
        return Context(correlationid=self.job_id, owner=self.owner, actor=self.actor)
