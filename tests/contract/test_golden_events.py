"""Events as they have been sent: whatever is added to a version, these must parse for ever.

A file here is never changed. A new field gets a new file beside the old one; a new version gets its own files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from libs.shared.errors import ContractBreach
from libs.shared.events import EVENTS, Envelope

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))


def named(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_an_event_that_was_ever_sent_parses(path: Path) -> None:
    envelope = Envelope.from_json(path.read_bytes())

    assert path.stem.startswith(envelope.routing_key)
    assert envelope.event().subject == envelope.subject


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_an_event_keeps_every_field_that_it_had(path: Path) -> None:
    golden: dict[str, Any] = json.loads(path.read_bytes())

    envelope = Envelope.from_json(path.read_bytes())

    assert json.loads(envelope.to_json()) == golden
    assert envelope.event().model_dump(mode="json", exclude_none=True) == golden["data"]


@pytest.mark.parametrize("path", GOLDEN, ids=named)
def test_an_event_with_fields_of_a_later_day_parses(path: Path) -> None:
    golden: dict[str, Any] = json.loads(path.read_bytes())
    later = {**golden, "partitionkey": "7", "data": {**golden["data"], "colour": "blue"}}

    assert Envelope.from_json(json.dumps(later).encode()).event() == Envelope.from_json(path.read_bytes()).event()


def test_every_event_has_a_golden_file() -> None:
    assert {event.routing_key for event in EVENTS} <= {
        Envelope.from_json(path.read_bytes()).routing_key for path in GOLDEN
    }


@pytest.mark.parametrize("control", ["\0", "\n", "\x1b", "\x7f", "\x9b"])
@pytest.mark.parametrize("name", ["id", "source", "correlationid", "traceparent", "owner", "actor", "data"])
def test_an_event_with_control_characters_is_none(name: str, control: str) -> None:
    golden: dict[str, Any] = json.loads(GOLDEN[0].read_bytes())
    forged = f"{control}]52;c;cm0gLXJmIH4="
    value = {**golden["data"], "album_id": forged} if name == "data" else forged

    with pytest.raises(ContractBreach, match="control characters"):
        Envelope.from_json(json.dumps({**golden, name: value}).encode())
