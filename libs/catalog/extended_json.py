"""Documents as lines of text that keep every type: MongoDB Extended JSON.

Format: https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md
"""

from __future__ import annotations

from bson.errors import BSONError
from bson.json_util import JSONMode, JSONOptions, dumps, loads

from libs.shared.mongo import Document

_OPTIONS: JSONOptions = JSONOptions(json_mode=JSONMode.RELAXED, tz_aware=True)


def to_line(document: Document) -> str:
    """The document in one line, without its end."""
    return dumps(document, json_options=_OPTIONS, ensure_ascii=False)


def from_line(line: str) -> Document:
    """The document of a line, its times in UTC.

    Raises:
        ValueError: it is none.
    """
    try:
        document = loads(line, json_options=_OPTIONS)
    except BSONError as error:
        raise ValueError("not a document") from error
    if not isinstance(document, dict):
        raise ValueError("not a document")
    return document
