"""The published contracts: JSON Schemas of the events and an AsyncAPI document, made from the one list of events."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from libs.shared.events import (
    CONTENT_TYPE,
    EVENTS,
    TYPE_PREFIX,
    Envelope,
    Event,
    ImageEncoded,
    ImageFailed,
    ImageUploaded,
    ThumbnailCreated,
    ThumbnailRequested,
    schema_path,
)
from libs.shared.topology import EVENTS_EXCHANGE, LOG_STREAM, WORK_EXCHANGE, queue_of

Json = dict[str, Any]
BINDING = {"bindingVersion": "0.3.0"}
LOG_DESCRIPTION = (
    "A stream of all that was published on album.events in the last seven days, to be read again: consume it with a "
    "prefetch, acknowledgements and the argument x-stream-offset. Do not declare it."
)
PUBLIC = tuple(event for event in EVENTS if event.is_public)


@dataclass(frozen=True)
class Part:
    """What a service sends to the pipeline's exchange, and what its queue is bound to."""

    sends: tuple[type[Event], ...]
    receives: tuple[type[Event], ...]


# Services do not know each other, so this repeats their cards; a test compares them.
PIPELINE = {
    "api": Part((ImageUploaded, ThumbnailRequested), (ImageEncoded, ThumbnailCreated, ImageFailed)),
    "decoder": Part((ImageEncoded, ImageFailed), (ImageUploaded,)),
    "thumbnailer": Part((ThumbnailCreated, ImageFailed), (ImageEncoded, ThumbnailRequested)),
}


@cache
def event_schema(event: type[Event]) -> Json:
    """The JSON Schema of an event's ``data``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_path(event),
        **event.model_json_schema(mode="serialization"),
    }


@cache
def asyncapi(version: str) -> Json:
    """An AsyncAPI 3 document of exchanges and queues (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""
    on_work = sorted({event for part in PIPELINE.values() for event in part.sends}, key=EVENTS.index)
    _, definitions = models_json_schema(
        [(event, "serialization") for event in EVENTS], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Album events",
            "version": version,
            "description": "Everybody may subscribe to album.events; album.work is the pipeline's own.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            **{_channel_id("events", event): _routed(EVENTS_EXCHANGE, event) for event in PUBLIC},
            **{_channel_id("work", event): _routed(WORK_EXCHANGE, event) for event in on_work},
            **{f"{service}-queue": _queue(queue_of(service), *part.receives) for service, part in PIPELINE.items()},
            "events-log": {"description": LOG_DESCRIPTION, **_queue(LOG_STREAM, *PUBLIC)},
        },
        "operations": _operations(),
        "components": {
            "messages": {event.__name__: _message(event) for event in EVENTS},
            "schemas": definitions["$defs"],
        },
    }


def _operations() -> Json:
    operations = {f"api-tells-{event.__name__}": _send("events", event, is_mandatory=False) for event in PUBLIC}
    for service, part in PIPELINE.items():
        for event in part.sends:
            operations[f"{service}-sends-{event.__name__}"] = _send("work", event, is_mandatory=True)
        for event in part.receives:
            operations[f"{service}-receives-{event.__name__}"] = {
                "action": "receive",
                **_on(f"{service}-queue", event),
                "bindings": {"amqp": {"ack": True, **BINDING}},
            }
    return operations


def _send(exchange: str, event: type[Event], *, is_mandatory: bool) -> Json:
    bindings = {"amqp": {"deliveryMode": 2, "mandatory": is_mandatory, **BINDING}}
    return {"action": "send", **_on(_channel_id(exchange, event), event), "bindings": bindings}


def _on(channel: str, event: type[Event]) -> Json:
    return {
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{event.__name__}"}],
    }


def _channel_id(exchange: str, event: type[Event]) -> str:
    return f"{exchange}-{event.__name__}"


def _routed(exchange: str, event: type[Event]) -> Json:
    described = {"name": exchange, "type": "topic", "durable": True, "autoDelete": False}
    return {
        "address": event.routing_key,
        "messages": _messages(event),
        "bindings": {"amqp": {"is": "routingKey", "exchange": described, **BINDING}},
    }


def _queue(name: str, *events: type[Event]) -> Json:
    described = {"name": name, "durable": True, "exclusive": False, "autoDelete": False}
    return {
        "address": name,
        "messages": _messages(*events),
        "bindings": {"amqp": {"is": "queue", "queue": described, **BINDING}},
    }


def _messages(*events: type[Event]) -> Json:
    return {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"} for event in events}


def _message(event: type[Event]) -> Json:
    envelope = Envelope.model_json_schema(mode="serialization")
    kind = TYPE_PREFIX + event.routing_key
    properties = {
        **envelope["properties"],
        "type": {"const": kind},
        "dataschema": {"type": "string", "format": "uri-reference", "pattern": f"{schema_path(event)}$"},
        "data": {"$ref": f"#/components/schemas/{event.__name__}"},
    }
    return {
        "name": event.__name__,
        "title": event.__name__,
        "contentType": CONTENT_TYPE,
        "payload": {**envelope, "properties": properties},
        "bindings": {"amqp": {"messageType": kind, **BINDING}},
    }
