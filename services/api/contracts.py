"""The published contracts: JSON Schemas of the events and an AsyncAPI document, made from the one list of events."""

from __future__ import annotations

from typing import Any

from libs.shared.events import CONTENT_TYPE, EVENTS, TYPE_PREFIX, Envelope, Event, schema_path
from libs.shared.rabbitmq import EVENTS_EXCHANGE, WORK_EXCHANGE


def event_schema(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema of an event's ``data``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_path(event),
        **event.model_json_schema(mode="serialization"),
    }


def asyncapi(version: str) -> dict[str, Any]:
    """An AsyncAPI 3 document of both exchanges (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""
    exchanges = {"public": EVENTS_EXCHANGE, "work": WORK_EXCHANGE}
    channels = {
        name: {
            "address": exchange,
            "messages": {
                event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}
                for event in EVENTS
                if event.is_public or name == "work"
            },
            "bindings": {"amqp": {"is": "routingKey", "exchange": _exchange(exchange), "bindingVersion": "0.3.0"}},
        }
        for name, exchange in exchanges.items()
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Album events", "version": version},
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": {
            f"publish-{name}": {"action": "send", "channel": {"$ref": f"#/channels/{name}"}} for name in channels
        },
        "components": {"messages": {event.__name__: _message(event) for event in EVENTS}},
    }


def _exchange(name: str) -> dict[str, Any]:
    return {"name": name, "type": "topic", "durable": True, "autoDelete": False}


def _message(event: type[Event]) -> dict[str, Any]:
    envelope = Envelope.model_json_schema(mode="serialization")
    properties = {
        **envelope["properties"],
        "type": {"const": TYPE_PREFIX + event.routing_key},
        "data": event_schema(event),
    }
    return {
        "name": event.__name__,
        "title": event.__name__,
        "contentType": CONTENT_TYPE,
        "payload": {**envelope, "properties": properties},
        "bindings": {"amqp": {"messageType": TYPE_PREFIX + event.routing_key, "bindingVersion": "0.3.0"}},
    }
