"""What is published about the events is true, kept in ``docs``, and does not break whoever relies on it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from libs.catalog.status import PARTS
from libs.shared.events import EVENTS, Envelope, ImageEncoded, ImageFailed
from libs.shared.topology import LOG
from services.api import contracts, progress
from services.decoder.stage import stage as decoder
from services.thumbnailer.stage import stage as thumbnailer
from tests.support.contracts import DOCS, Schema, as_text, breaks, current, kept

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
CONTRACTS = current()
SCHEMAS = [path for path in CONTRACTS if path.name != "asyncapi.json"]


def named(path: Path) -> str:
    return path.relative_to(DOCS).as_posix() if path.is_relative_to(DOCS) else path.stem


@pytest.mark.parametrize("path", SCHEMAS, ids=named)
def test_no_schema_breaks_who_relies_on_it(path: Path) -> None:
    recorded = kept(path)

    assert recorded is not None, "record it: python -m tests.support.contracts"
    assert breaks(recorded, CONTRACTS[path]) == [], "make a new version of the event instead"


@pytest.mark.parametrize("path", CONTRACTS, ids=named)
def test_every_contract_is_kept_as_it_is_now(path: Path) -> None:
    assert path.exists(), "record it: python -m tests.support.contracts"
    assert path.read_text() == as_text(CONTRACTS[path]), "record it: python -m tests.support.contracts"


def test_no_schema_of_an_event_that_was_ever_published_is_gone() -> None:
    assert set((DOCS / "schemas").rglob("*.json")) == set(SCHEMAS)


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_what_was_ever_sent_is_as_its_schemas_say(path: Path) -> None:
    message = json.loads(path.read_bytes())
    event = type(Envelope.from_json(path.read_bytes()).event())
    document = CONTRACTS[DOCS / "asyncapi.json"]
    payload = {**document, **document["components"]["messages"][event.__name__]["payload"]}

    jsonschema.validate(message["data"], contracts.event_schema(event), cls=jsonschema.Draft202012Validator)
    jsonschema.validate(message, payload, cls=jsonschema.Draft7Validator)


def test_a_message_that_is_another_is_not_as_the_schema_says() -> None:
    document = CONTRACTS[DOCS / "asyncapi.json"]
    payload = {**document, **document["components"]["messages"]["ImageFailed"]["payload"]}
    message = json.loads((Path(__file__).parent / "golden" / "image.failed.v1.json").read_bytes())
    for wrong in ({"type": "io.album.image.encoded.v1"}, {"data": {**message["data"], "code": "unheard-of"}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**message, **wrong}, payload, cls=jsonschema.Draft7Validator)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = CONTRACTS[DOCS / "asyncapi.json"]
    for reference in set(references(document)):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found


def test_the_asyncapi_document_tells_who_sends_and_who_receives_what() -> None:
    cards = {
        "api": (contracts.PIPELINE["api"].sends, progress.CONSUMES),
        "decoder": (decoder.emits, decoder.consumes),
        "thumbnailer": (thumbnailer.emits, thumbnailer.consumes),
    }
    assert {name: (part.sends, part.receives) for name, part in contracts.PIPELINE.items()} == cards
    assert set(contracts.PIPELINE["api"].sends) == {event for event in EVENTS if event.is_work}
    assert set(contracts.PIPELINE) == set(PARTS)

    channels = CONTRACTS[DOCS / "asyncapi.json"]["channels"]
    assert channels["events-log"]["address"] == LOG.name
    assert set(channels["events-log"]["messages"]) == {event.__name__ for event in EVENTS if event.is_public}

    operations = CONTRACTS[DOCS / "asyncapi.json"]["operations"]
    assert operations["decoder-receives-ImageUploaded"]["channel"] == {"$ref": "#/channels/decoder-queue"}
    assert operations["thumbnailer-sends-ThumbnailCreated"]["action"] == "send"
    assert {name for name in operations if name.startswith("api-tells-")} == {
        f"api-tells-{event.__name__}" for event in EVENTS if event.is_public
    }


def change(path: str, edit: Callable[[Any], Any]) -> Schema:
    """The schema of ImageEncoded with one part edited in place."""
    schema = copy.deepcopy(contracts.event_schema(ImageEncoded))
    part: Any = schema
    for step in path.split("/") if path else ():
        part = part[step]
    edit(part)
    return schema


BREAKING: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "a field removed": ("properties", lambda fields: fields.pop("placeholder")),
    "an optional field removed": ("properties", lambda fields: fields.pop("preview")),
    "a field that need not be there": ("required", lambda names: names.remove("width")),
    "a field that has to be there": ("required", lambda names: names.append("preview")),
    "a new field that has to be there": ("required", lambda names: names.append("depth")),
    "a type changed": ("properties/width", lambda field: field.update(type="string")),
    "a type changed further down": ("$defs/BlobRef/properties/length", lambda field: field.update(type="number")),
    "a field removed further down": ("$defs/BlobRef/properties", lambda fields: fields.pop("sha256")),
    "a kind less": ("properties/preview/anyOf", lambda kinds: kinds.pop()),
    "a list of values that was open": ("properties/format", lambda field: field.update(enum=["JPEG"])),
}


@pytest.mark.parametrize(("path", "edit"), BREAKING.values(), ids=BREAKING)
def test_a_change_that_breaks_is_noticed(path: str, edit: Callable[[Any], Any]) -> None:
    assert breaks(contracts.event_schema(ImageEncoded), change(path, edit))


@pytest.mark.parametrize("codes", [["corrupt-image"], []], ids=["fewer", "none"])
def test_a_list_of_values_that_became_shorter_is_noticed(codes: list[str]) -> None:
    old = contracts.event_schema(ImageFailed)
    new = copy.deepcopy(old)
    new["properties"]["code"]["enum"] = codes

    assert breaks(old, new)


def test_a_new_field_that_need_not_be_there_breaks_nobody_but_has_to_be_recorded() -> None:
    old = contracts.event_schema(ImageEncoded)
    new = change("properties", lambda fields: fields.update(depth={"type": "integer"}))

    assert breaks(old, new) == []
    assert as_text(old) != as_text(new)


def test_words_about_a_field_may_change() -> None:
    new = change("properties/width", lambda field: field.update(description="pixels across", title="Width in pixels"))

    assert breaks(contracts.event_schema(ImageEncoded), new) == []
