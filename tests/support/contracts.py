"""The published contracts as they are kept in ``docs``, and what may not change in them within a version.

``python -m tests.support.contracts`` writes them anew, and refuses where someone's subscriber would break.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from libs.shared.events import EVENTS, Envelope, schema_path
from services.api import contracts
from services.api.main import VERSION

DOCS = Path(__file__).parents[2] / "docs"
FIXED = ("type", "enum", "const", "format", "pattern", "minLength", "maxLength", "minimum", "maximum")

Schema = dict[str, Any]


def current() -> dict[Path, Schema]:
    """Every contract as the code has it now, under the file that keeps it."""
    schemas = {DOCS / schema_path(event).lstrip("/"): contracts.event_schema(event) for event in EVENTS}
    envelope = {DOCS / "schemas" / "envelope.json": Envelope.model_json_schema(mode="serialization")}
    return {**schemas, **envelope, DOCS / "asyncapi.json": contracts.asyncapi(VERSION)}


def kept(path: Path) -> Schema | None:
    """A contract as it was last recorded."""
    return json.loads(path.read_text()) if path.exists() else None


def breaks(old: Schema, new: Schema) -> list[str]:
    """What of a schema's change breaks who relies on the old one; additions of optional fields do not."""
    return list(_breaks(old, new, old, new, "data"))


def _breaks(old: Schema, new: Schema, old_root: Schema, new_root: Schema, where: str) -> Iterator[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    for name in FIXED:
        if old.get(name) != new.get(name):
            yield f"{where}: {name} was {old.get(name)}, is {new.get(name)}"
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in before.keys() - after.keys():
        yield f"{where}.{name} was removed"
    for name in set(old.get("required", ())) - set(new.get("required", ())) & after.keys():
        if name in after:
            yield f"{where}.{name} need not be there any more"
    for name in set(new.get("required", ())) - set(old.get("required", ())):
        yield f"{where}.{name} is required now"
    for name in before.keys() & after.keys():
        yield from _breaks(before[name], after[name], old_root, new_root, f"{where}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(old.get(name), dict) and isinstance(new.get(name), dict):
            yield from _breaks(old[name], new[name], old_root, new_root, f"{where}[]")
        elif old.get(name) != new.get(name):
            yield f"{where}: {name} was {old.get(name)}, is {new.get(name)}"
    ways, ways_now = old.get("anyOf", []), new.get("anyOf", [])
    if len(ways) != len(ways_now):
        yield f"{where}: it was one of {len(ways)} kinds, is one of {len(ways_now)}"
    for way, way_now in zip(ways, ways_now, strict=False):
        yield from _breaks(way, way_now, old_root, new_root, where)


def _resolved(schema: Schema, root: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Any = root
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    resolved: Schema = found
    return resolved


def as_text(schema: Schema) -> str:
    """How a contract is kept."""
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def record() -> None:
    """Keep every contract as it is now.

    Raises:
        SystemExit: one would break; a change of that kind is a new version.
    """
    for path, schema in current().items():
        old = kept(path)
        if old is not None and path.name != "asyncapi.json" and (found := breaks(old, schema)):
            raise SystemExit("\n".join([f"{path.name} would break; make a new version of the event", *found]))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_text(schema))


if __name__ == "__main__":
    record()
